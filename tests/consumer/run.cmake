# cmake -D build_dir=BUILD -D config=Release -D compiler=g++ -D adapters=cpprest -P run.cmake
#
# Installs BUILD into a prefix under it, builds the project beside this file against that prefix, and runs what needs no
# service.
set(work ${build_dir}/consumer)
file(REMOVE_RECURSE ${work}/prefix)

function(run)
  execute_process(COMMAND ${ARGV} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

run(${CMAKE_COMMAND} --install ${build_dir} --prefix ${work}/prefix --config ${config})
run(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -B ${work}/build -G Ninja
    -D CMAKE_BUILD_TYPE=${config}
    -D CMAKE_CXX_COMPILER=${compiler}
    -D CMAKE_CXX_FLAGS=-Werror
    -D CMAKE_FIND_USE_PACKAGE_REGISTRY=OFF
    -D CMAKE_PREFIX_PATH=${work}/prefix
    -D "MTLSPOP_CONSUMER_ADAPTERS=${adapters}")
run(${CMAKE_COMMAND} --build ${work}/build)
run(${work}/build/core)
