# The warnings that every target of this project is built with; third parties' headers are SYSTEM.
add_library(mtlspop_warnings INTERFACE)
if(MSVC)
  target_compile_options(mtlspop_warnings INTERFACE /W4 /permissive- /utf-8)
  # Members and bases of exported classes that are the standard library's: a program and the DLLs have the same one.
  target_compile_options(mtlspop_warnings INTERFACE /wd4251 /wd4275)
  # getenv and the like: the standard's own names, which Visual Studio calls unsafe.
  target_compile_definitions(mtlspop_warnings INTERFACE _CRT_SECURE_NO_WARNINGS)
else()
  target_compile_options(mtlspop_warnings INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wshadow)
endif()
if(MTLSPOP_WARNINGS_AS_ERRORS)
  target_compile_options(mtlspop_warnings INTERFACE $<IF:$<CXX_COMPILER_ID:MSVC>,/WX,-Werror>)
endif()
