# Takes the first example out of a public header's comments, as it stands there, so that a test can include it.

# Writes what stands between `/// @code` and `/// @endcode` in `header` to `file`.
function(mtlspop_extract_example header file)
  set_property(
    DIRECTORY
    APPEND
    PROPERTY CMAKE_CONFIGURE_DEPENDS ${header})
  file(READ ${header} text)
  set(opening "/// @code\n")
  string(FIND "${text}" "${opening}" start)
  string(FIND "${text}" "/// @endcode" end)
  if(start EQUAL -1 OR end LESS start)
    message(FATAL_ERROR "${header} has no example")
  endif()
  string(LENGTH "${opening}" length)
  math(EXPR start "${start} + ${length}")
  math(EXPR length "${end} - ${start}")
  string(SUBSTRING "${text}" ${start} ${length} example)
  string(REPLACE "\n/// " "\n" example "\n${example}")
  file(GENERATE OUTPUT ${file} CONTENT "${example}")
endfunction()
