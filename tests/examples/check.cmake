cmake_minimum_required(VERSION 3.22)
# cmake -D source_dir=SOURCE -P check.cmake
#
# Fails where a public header of the library has an example that no test compiles. mtlspop_extract_example takes the first one
# of a header, so that there is one at most; that of Azure's transport is compared with the text of a test.
set(compared adapters/azure/include/mtlspop/azure/http_transport.hpp)

set(lists "")
file(GLOB_RECURSE files ${source_dir}/tests/*/CMakeLists.txt)
foreach(file IN LISTS files)
  file(READ ${file} text)
  if(text MATCHES "mtlspop_extract_example")
    string(APPEND lists "${text}")
  endif()
endforeach()
# Keys name theirs by their kind.
foreach(kind tpm pkcs11)
  string(APPEND lists " keys/${kind}/include/mtlspop/${kind}/${kind}_key.hpp")
endforeach()

set(faults "")
file(GLOB_RECURSE headers RELATIVE ${source_dir} ${source_dir}/transport/include/*.hpp ${source_dir}/credential/include/*.hpp
     ${source_dir}/policies/include/*.hpp ${source_dir}/adapters/*/include/*.hpp ${source_dir}/keys/*/include/*.hpp)
foreach(header IN LISTS headers)
  file(STRINGS ${source_dir}/${header} examples REGEX "^ *///? @code")
  list(LENGTH examples count)
  if(count GREATER 1)
    list(APPEND faults "${header}: ${count} examples, of which the first alone would be compiled")
  elseif(count EQUAL 1 AND NOT header IN_LIST compared)
    string(FIND "${lists}" "${header}" found)
    if(found EQUAL -1)
      list(APPEND faults "${header}: no test compiles its example")
    endif()
  endif()
endforeach()
if(faults)
  list(JOIN faults "\n  " text)
  message(FATAL_ERROR "Examples in public headers are compiled as tests:\n  ${text}")
endif()
