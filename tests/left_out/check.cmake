# cmake -D source_dir=SOURCE -D build_dir=BUILD -D compiler=g++ -P check.cmake
#
# Where pkg-config finds neither libtss2 nor p11-kit, the library is configured without their components and says so in one
# line for each, and find_package says of a component that is named why there is none. As a part of another project it leaves out
# its tests, and all that it would install.
set(work ${build_dir}/left_out)
file(REMOVE_RECURSE ${work})
file(MAKE_DIRECTORY ${work}/nothing)
set(ENV{PKG_CONFIG_LIBDIR} ${work}/nothing)
set(ENV{PKG_CONFIG_PATH} "")

function(configure source build expect_failure out)
  execute_process(
    COMMAND ${CMAKE_COMMAND} -S ${source} -B ${build} -G Ninja -D CMAKE_CXX_COMPILER=${compiler} ${ARGN}
    RESULT_VARIABLE code
    OUTPUT_VARIABLE text
    ERROR_VARIABLE text)
  if((code EQUAL 0) EQUAL expect_failure)
    message(FATAL_ERROR "Configuring ${source} ended with ${code}:\n${text}")
  endif()
  # As one line: CMake breaks the lines of errors.
  string(REGEX REPLACE "[ \n]+" " " flat "${text}")
  set(${out} "${text}" PARENT_SCOPE)
  set(${out}_flat "${flat}" PARENT_SCOPE)
endfunction()

configure(${source_dir} ${work}/library FALSE said -D MTLSPOP_BUILD_TESTS=OFF -D MTLSPOP_BUILD_CPPREST=OFF
          -D MTLSPOP_BUILD_AZURE=OFF)
string(REGEX MATCHALL "[^\n]*(tss2|p11-kit)[^\n]*" lines "${said}")
set(expected "-- p11-kit not found: mtlspop::pkcs11 is left out"
             "-- libtss2 (esys, mu, rc, tctildr) not found: mtlspop::tpm is left out")
if(NOT lines STREQUAL expected OR said MATCHES "CMake (Warning|Error)")
  message(FATAL_ERROR "Without libtss2 and p11-kit configuring says:\n${said}")
endif()

# The package as it would be installed, its libraries aside.
file(WRITE ${work}/consumer/CMakeLists.txt
     "cmake_minimum_required(VERSION 3.22)\nproject(consumer LANGUAGES CXX)\n"
     "find_package(mtlspop CONFIG REQUIRED COMPONENTS \${component})\n")
foreach(built FALSE TRUE)
  set(package ${work}/package-${built})
  file(COPY ${work}/library/mtlspopConfig.cmake ${work}/library/mtlspopConfigVersion.cmake DESTINATION ${package})
  file(WRITE ${package}/mtlspop-core-archive-targets.cmake "")
  foreach(component tpm pkcs11)
    set(why "this mtlspop was built without")
    if(built)
      file(WRITE ${package}/mtlspop-${component}-archive-targets.cmake "")
      set(why "is not found here")
    endif()
    configure(${work}/consumer ${work}/consumer-${built}-${component} TRUE said -D component=${component}
              -D mtlspop_DIR=${package})
    if(NOT said_flat MATCHES "There is no component ${component}: [^.]*${why}[^.]*\\.")
      message(FATAL_ERROR "find_package(mtlspop COMPONENTS ${component}) says:\n${said}")
    endif()
  endforeach()
  configure(${work}/consumer ${work}/consumer-${built} FALSE said -D component=transport -D mtlspop_DIR=${package})
endforeach()

file(WRITE ${work}/whole/app.cpp "int main() {}\n")
file(WRITE ${work}/whole/CMakeLists.txt
     "cmake_minimum_required(VERSION 3.22)\nproject(whole LANGUAGES CXX)\n"
     "add_subdirectory(${source_dir} mtlspop)\n"
     "add_executable(app app.cpp)\ntarget_link_libraries(app PRIVATE mtlspop::policies)\n"
     "install(FILES app.cpp DESTINATION .)\n")
configure(${work}/whole ${work}/whole-build FALSE said -D MTLSPOP_BUILD_CPPREST=OFF -D MTLSPOP_BUILD_AZURE=OFF)
# What is not built could not be installed either.
execute_process(COMMAND ${CMAKE_COMMAND} --install ${work}/whole-build --prefix ${work}/prefix OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
file(GLOB_RECURSE installed RELATIVE ${work}/prefix ${work}/prefix/*)
if(NOT installed STREQUAL "app.cpp" OR EXISTS ${work}/whole-build/mtlspop/tests/unit)
  message(FATAL_ERROR "As a part of another project mtlspop installs, or tests: ${installed}")
endif()
