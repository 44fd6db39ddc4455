# Builds the README's "Ten lines" as they stand there, with the two lines of CMake that it gives for them.
if(NOT readme)
  set(readme ${CMAKE_CURRENT_LIST_DIR}/../../README.md)
endif()
set_property(
  DIRECTORY
  APPEND
  PROPERTY CMAKE_CONFIGURE_DEPENDS ${readme})
file(READ ${readme} readme_text)
string(FIND "${readme_text}" "\n## Ten lines\n" start)
if(start EQUAL -1)
  message(FATAL_ERROR "README.md has no section \"Ten lines\"")
endif()
string(SUBSTRING "${readme_text}" ${start} -1 readme_text)

# Writes the section's first block of code in `language` to `file`.
function(extract language file)
  set(opening "\n```${language}\n")
  string(FIND "${readme_text}" "${opening}" start)
  if(start EQUAL -1)
    message(FATAL_ERROR "README.md has no block of ${language} in \"Ten lines\"")
  endif()
  string(LENGTH "${opening}" length)
  math(EXPR start "${start} + ${length}")
  string(SUBSTRING "${readme_text}" ${start} -1 block)
  string(FIND "${block}" "```" end)
  string(SUBSTRING "${block}" 0 ${end} block)
  file(WRITE ${file} "${block}")
endfunction()

extract(cpp ${CMAKE_CURRENT_BINARY_DIR}/ten_lines.cpp)
extract(cmake ${CMAKE_CURRENT_BINARY_DIR}/ten_lines.cmake)
add_executable(app ${CMAKE_CURRENT_BINARY_DIR}/ten_lines.cpp)
include(${CMAKE_CURRENT_BINARY_DIR}/ten_lines.cmake)
