cmake_minimum_required(VERSION 3.22)
# cmake -D source_dir=SOURCE -P check.cmake
#
# Fails where an arrow between layers points up: where a layer includes a header of one that stands above it, or anything in
# another layer's src, where a public header includes one of base, which is not installed, or where a test links what is made
# for others.
set(layers base transport credential policies adapters/cpprest adapters/azure adapters/command)
set(below_base base)
set(below_transport base transport)
set(below_credential base transport credential)
set(below_policies base transport credential policies)
set(below_cpprest base transport credential policies cpprest)
set(below_azure base transport credential policies azure)
set(below_command base transport credential policies tpm pkcs11)
set(names base transport credential policies cpprest azure tpm pkcs11)

set(faults "")
foreach(layer IN LISTS layers)
  cmake_path(GET layer FILENAME name)
  set(folder ${source_dir}/${layer})
  file(GLOB_RECURSE files ${folder}/*.hpp ${folder}/*.cpp)
  foreach(file IN LISTS files)
    cmake_path(GET file PARENT_PATH here)
    file(STRINGS ${file} lines REGEX "^[ \t]*#[ \t]*include[ \t]*\"")
    foreach(line IN LISTS lines)
      string(REGEX REPLACE "^[^\"]*\"([^\"]*)\".*" "\\1" included "${line}")
      if(included MATCHES "^mtlspop/([a-z0-9]+)/" AND CMAKE_MATCH_1 IN_LIST names)
        if(NOT CMAKE_MATCH_1 IN_LIST below_${name})
          list(APPEND faults "${file}: ${included} is of a layer above")
        elseif(CMAKE_MATCH_1 STREQUAL "base" AND file MATCHES "/include/" AND NOT name STREQUAL "base")
          list(APPEND faults "${file}: ${included} is not installed")
        endif()
      elseif(included MATCHES "^mtlspop/[a-z_]+\\.hpp$")
        continue() # generated, like mtlspop/version.hpp
      elseif(NOT EXISTS ${here}/${included} AND NOT EXISTS ${folder}/src/${included})
        list(APPEND faults "${file}: ${included} is neither in this layer's src nor a public header")
      elseif(EXISTS ${here}/${included})
        cmake_path(SET path NORMALIZE ${here}/${included})
        cmake_path(IS_PREFIX folder ${path} is_own)
        if(NOT is_own)
          list(APPEND faults "${file}: ${included} is another layer's")
        endif()
      endif()
    endforeach()
  endforeach()

  # What an include directory would let in.
  file(STRINGS ${folder}/CMakeLists.txt lines REGEX "(SOURCE_DIR}|\\.\\.)/[^ ]*src")
  foreach(line IN LISTS lines)
    list(APPEND faults "${folder}/CMakeLists.txt: ${line}")
  endforeach()
endforeach()

# Tests and programs link the layers. The products (mtlspop::NAME, cmake/products.cmake) have the same objects once more, or hide
# what they use.
file(GLOB_RECURSE lists ${source_dir}/tests/*/CMakeLists.txt ${source_dir}/adapters/*/CMakeLists.txt)
foreach(list IN LISTS lists)
  file(STRINGS ${list} lines REGEX "mtlspop::(transport|credential|policies|cpprest|azure|tpm|pkcs11|cng)([^a-z]|$)")
  if(lines AND NOT list MATCHES "/tests/(consumer|package/fixture|windows/dll)/")
    list(APPEND faults "${list}: ${lines} (mtlspop_NAME is the layer)")
  endif()
endforeach()

if(faults)
  list(JOIN faults "\n  " text)
  message(FATAL_ERROR "Layers use only what is below them, and of that only its headers:\n  ${text}")
endif()
