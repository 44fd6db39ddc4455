# cmake -D build_dir=BUILD -D config=Release -D compiler=g++ -D adapters=cpprest -D keys=tpm -P run.cmake
#
# Installs BUILD into a prefix under it, builds the project beside this file against that prefix, and runs what needs no
# service.
set(work ${build_dir}/consumer)
file(REMOVE_RECURSE ${work}/prefix)

# A list would come apart on its way through run().
list(JOIN adapters "," adapters_text)
list(JOIN keys "," keys_text)

function(run)
  execute_process(COMMAND ${ARGV} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

# A build without a type has no name for it.
set(of_config "")
if(config)
  set(of_config --config ${config})
endif()
run(${CMAKE_COMMAND} --install ${build_dir} --prefix ${work}/prefix ${of_config})
run(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -B ${work}/build -G Ninja
    -D "CMAKE_BUILD_TYPE=${config}"
    -D CMAKE_CXX_COMPILER=${compiler}
    -D CMAKE_CXX_FLAGS=-Werror
    -D CMAKE_FIND_USE_PACKAGE_REGISTRY=OFF
    -D CMAKE_PREFIX_PATH=${work}/prefix
    -D "MTLSPOP_CONSUMER_ADAPTERS=${adapters_text}"
    -D "MTLSPOP_CONSUMER_KEYS=${keys_text}")
run(${CMAKE_COMMAND} --build ${work}/build)
run(${work}/build/core)
run(${work}/build/app_test)
foreach(key IN LISTS keys)
  run(${work}/build/${key}_key)
endforeach()

# Nothing listens there, so the answer is the same on every machine.
run(${CMAKE_COMMAND} -E env AZURE_POD_IDENTITY_AUTHORITY_HOST=http://127.0.0.1:1 ${work}/build/capabilities/capabilities)
# The samples need a service; without arguments each says what it wants.
foreach(sample federated own_certificate own_certificate_cpprest own_key_provider remote_signer third_framework keyvault_secret
        keyvault_secret_azure)
  set(program ${work}/build/${sample}/${sample})
  if(NOT EXISTS ${program})
    message(STATUS "${sample} was not built, see above")
    continue()
  endif()
  execute_process(
    COMMAND ${program}
    RESULT_VARIABLE code
    ERROR_VARIABLE text)
  if(NOT code EQUAL 2 OR NOT text MATCHES "^usage: ${sample} ")
    message(FATAL_ERROR "${sample} without arguments ended with ${code} and said: ${text}")
  endif()
endforeach()

# A stranger's adapter passes the table that this library's own pass.
run(${work}/build/third_framework/third_framework_test --gtest_brief=1)

# Without CMake: pkg-config says what the compiler needs.
find_program(pkg_config NAMES pkgconf pkg-config)
if(EXISTS ${work}/build/app AND pkg_config)
  file(GLOB pkg_config_path ${work}/prefix/lib/pkgconfig ${work}/prefix/lib/*/pkgconfig)
  set(ENV{PKG_CONFIG_PATH} ${pkg_config_path})
  execute_process(
    COMMAND ${pkg_config} --cflags --libs mtlspop-cpprest
    OUTPUT_VARIABLE flags COMMAND_ERROR_IS_FATAL ANY)
  separate_arguments(flags UNIX_COMMAND "${flags}")
  run(${compiler} -std=c++17 ${work}/build/ten_lines.cpp -o ${work}/build/app_by_pkg_config ${flags})
endif()

# The README's ten lines run as they are, with the installed emulator around them.
if(EXISTS ${work}/build/app)
  execute_process(
    COMMAND ${work}/prefix/bin/mtlspop-emulator run --secret password=as-they-are -- ${work}/build/app
    OUTPUT_VARIABLE text COMMAND_ERROR_IS_FATAL ANY)
  if(NOT text STREQUAL "as-they-are\n")
    message(FATAL_ERROR "the README's ten lines under mtlspop-emulator run said: ${text}")
  endif()
endif()
