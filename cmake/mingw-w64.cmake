# Cross-compiles for 64-bit Windows with Debian's g++-mingw-w64-x86-64-posix; the tests run under Wine.
#
# Header-only dependencies are staged: their include and package folders are copied into the build folder, so that no
# header of this machine itself is ever seen by the cross compiler. MTLSPOP_WINDOWS_PREFIX adds a folder in which
# libraries built for Windows are installed (googletest).
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(CMAKE_C_COMPILER x86_64-w64-mingw32-gcc-posix)
set(CMAKE_CXX_COMPILER x86_64-w64-mingw32-g++-posix)
set(CMAKE_RC_COMPILER x86_64-w64-mingw32-windres)

list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES MTLSPOP_WINDOWS_PREFIX)

get_property(mtlspop_in_try_compile GLOBAL PROPERTY IN_TRY_COMPILE)
if(NOT mtlspop_in_try_compile)
  set(mtlspop_staging ${CMAKE_BINARY_DIR}/header-only)
  foreach(package nlohmann nlohmann_json gsl Microsoft.GSL)
    if(EXISTS /usr/include/${package})
      file(COPY /usr/include/${package} DESTINATION ${mtlspop_staging}/include)
    elseif(EXISTS /usr/share/cmake/${package})
      file(COPY /usr/share/cmake/${package} DESTINATION ${mtlspop_staging}/share/cmake)
    else()
      message(FATAL_ERROR "${package} not found: apt-get install libmsgsl-dev nlohmann-json3-dev")
    endif()
  endforeach()
  # By a link, since there are fourteen thousand of them; the emulator needs a few.
  if(EXISTS /usr/include/boost)
    file(CREATE_LINK /usr/include/boost ${mtlspop_staging}/include/boost SYMBOLIC)
  endif()
  list(APPEND CMAKE_PREFIX_PATH ${mtlspop_staging} ${MTLSPOP_WINDOWS_PREFIX})
endif()

set(CMAKE_FIND_ROOT_PATH /usr/x86_64-w64-mingw32 ${mtlspop_staging} ${MTLSPOP_WINDOWS_PREFIX})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

# Programs carry the compiler's run-time libraries in them, so that they start anywhere. Not with DLLs: an exception that one
# throws and the other catches is counted by the run-time library of each.
if(NOT BUILD_SHARED_LIBS)
  set(CMAKE_EXE_LINKER_FLAGS_INIT "-static")
  set(CMAKE_MODULE_LINKER_FLAGS_INIT "-static")
endif()
