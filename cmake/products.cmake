# What others link, made of the layers' objects: libmtlspop of the core layers, and a library for each adapter and each kind of
# key, since those need libraries of third parties that not everybody has.
#
# `mtlspop::NAME` is what others have of NAME: a shared library where BUILD_SHARED_LIBS is on, else an archive. A build of shared
# libraries has the archives as well, but on Windows, where the objects of the two differ. The layers themselves
# (mtlspop_transport and so on) are archives of this build alone, for its tests and programs, which use what products hide.
#
# A shared library exports what public headers mark (MTLSPOP_EXPORT), under the version of its ABI (exports.map). `base` is in
# each of them, hidden: in libmtlspop once for all core layers, and once more in an adapter.
include(GenerateExportHeader)

# The ABI of the shared libraries, as in libmtlspop.so.0. It is raised where the test `abi` finds a change that breaks programs
# (docs/packages.md), and has nothing to do with the version.
set(MTLSPOP_ABI 0)

set(MTLSPOP_CORE_LAYERS transport credential policies)
set(MTLSPOP_PRODUCTS core)
foreach(extra cpprest azure tpm pkcs11 cng)
  if(TARGET mtlspop_${extra})
    list(APPEND MTLSPOP_PRODUCTS ${extra})
  endif()
endforeach()

set(MTLSPOP_PRODUCT_KINDS archive)
if(BUILD_SHARED_LIBS AND WIN32)
  set(MTLSPOP_PRODUCT_KINDS shared)
elseif(BUILD_SHARED_LIBS)
  set(MTLSPOP_PRODUCT_KINDS shared archive)
endif()
list(GET MTLSPOP_PRODUCT_KINDS 0 mtlspop_usual_kind)

# An adapter's library finds libmtlspop beside itself, wherever the two are installed. Packages are stripped of this: Debian's
# libraries are where the loader looks anyway.
if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
  set(mtlspop_siblings "$ORIGIN")
endif()

# Hides in `layer` what its headers do not mark.
function(mtlspop_hide layer)
  set_target_properties(mtlspop_${layer} PROPERTIES CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  if(MTLSPOP_DEBUG_SYMBOLS AND NOT MSVC)
    target_compile_options(mtlspop_${layer} PRIVATE -g)
  endif()
endfunction()

# What `target` has of `layer`: its objects, headers, definitions. To the list `needs` of the caller it adds what the layer needs
# of third parties, with $<LINK_ONLY:> around what only the linker is to know.
function(mtlspop_add_layer target layer)
  target_sources(${target} PRIVATE $<TARGET_OBJECTS:mtlspop_${layer}>)
  get_target_property(folder mtlspop_${layer} SOURCE_DIR)
  target_include_directories(${target} INTERFACE $<BUILD_INTERFACE:${folder}/include>)
  get_target_property(definitions mtlspop_${layer} INTERFACE_COMPILE_DEFINITIONS)
  if(definitions)
    target_compile_definitions(${target} INTERFACE ${definitions})
  endif()
  get_target_property(links mtlspop_${layer} INTERFACE_LINK_LIBRARIES)
  list(FILTER links EXCLUDE REGEX "mtlspop_|BUILD_INTERFACE")
  list(APPEND needs ${links})
  list(REMOVE_DUPLICATES needs)
  set(needs ${needs} PARENT_SCOPE)
endfunction()

# Defines mtlspop_PRODUCT_KIND, kind being shared or archive, named libNAME.
function(mtlspop_product product kind name)
  set(target mtlspop_${product}_${kind})
  if(kind STREQUAL shared)
    add_library(${target} SHARED)
  else()
    add_library(${target} STATIC)
  endif()
  set(needs "")
  set(layers ${product})
  if(product STREQUAL core)
    set(layers ${MTLSPOP_CORE_LAYERS})
  else()
    set(needs mtlspop_core_${kind})
  endif()
  foreach(layer ${layers})
    mtlspop_add_layer(${target} ${layer})
  endforeach()
  if(product STREQUAL core OR kind STREQUAL shared)
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:mtlspop_base>)
  endif()
  target_include_directories(${target} INTERFACE $<BUILD_INTERFACE:${MTLSPOP_GENERATED_INCLUDE_DIR}>
                                                 $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_compile_features(${target} INTERFACE cxx_std_17)
  set(export_name ${product})
  if(product STREQUAL core)
    set(export_name mtlspop)
  endif()
  set_target_properties(
    ${target}
    PROPERTIES OUTPUT_NAME ${name}
               EXPORT_NAME ${export_name}
               LINKER_LANGUAGE CXX
               ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib
               LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib
               RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib
               RUNTIME_OUTPUT_NAME ${name}-${MTLSPOP_ABI} # a DLL has its ABI in its name
               VERSION ${MTLSPOP_ABI}.${PROJECT_VERSION_MINOR}.${PROJECT_VERSION_PATCH}
               SOVERSION ${MTLSPOP_ABI}
               INSTALL_RPATH "${mtlspop_siblings}"
               DEFINE_SYMBOL "")
  if(kind STREQUAL shared)
    if(WIN32)
      foreach(layer ${layers})
        target_compile_definitions(mtlspop_${layer} PRIVATE ${target}_EXPORTS)
      endforeach()
    endif()
    list(TRANSFORM needs REPLACE "^\\$<LINK_ONLY:(.*)>$" "\\1" OUTPUT_VARIABLE all_needs)
    target_link_libraries(${target} PRIVATE ${all_needs})
    list(FILTER needs EXCLUDE REGEX LINK_ONLY)
    if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
      target_link_options(${target} PRIVATE LINKER:--version-script=${PROJECT_SOURCE_DIR}/cmake/exports.map LINKER:-z,defs)
      set_property(TARGET ${target} PROPERTY LINK_DEPENDS ${PROJECT_SOURCE_DIR}/cmake/exports.map)
    endif()
  endif()
  set_property(TARGET ${target} PROPERTY INTERFACE_LINK_LIBRARIES ${needs})
endfunction()

mtlspop_hide(base)
foreach(product ${MTLSPOP_PRODUCTS})
  set(name mtlspop_${product})
  set(header mtlspop/${product}/export.hpp)
  if(product STREQUAL core)
    set(name mtlspop)
    set(header mtlspop/export.hpp)
  else()
    mtlspop_hide(${product})
  endif()
  foreach(kind ${MTLSPOP_PRODUCT_KINDS})
    mtlspop_product(${product} ${kind} ${name})
  endforeach()
  set(target mtlspop_${product}_${mtlspop_usual_kind})
  string(TOUPPER ${name} upper)
  generate_export_header(
    ${target}
    BASE_NAME ${name}
    EXPORT_MACRO_NAME ${upper}_EXPORT
    STATIC_DEFINE ${upper}_STATIC_DEFINE
    EXPORT_FILE_NAME ${MTLSPOP_GENERATED_INCLUDE_DIR}/${header})
  if(NOT product STREQUAL core)
    add_library(mtlspop::${product} ALIAS ${target})
  endif()
endforeach()

foreach(layer ${MTLSPOP_CORE_LAYERS})
  mtlspop_hide(${layer})
  foreach(kind ${MTLSPOP_PRODUCT_KINDS})
    add_library(mtlspop_${layer}_${kind} INTERFACE)
    target_link_libraries(mtlspop_${layer}_${kind} INTERFACE mtlspop_core_${kind})
    set_target_properties(mtlspop_${layer}_${kind} PROPERTIES EXPORT_NAME ${layer})
  endforeach()
  add_library(mtlspop::${layer} ALIAS mtlspop_${layer}_${mtlspop_usual_kind})
endforeach()

if(BUILD_SHARED_LIBS)
  add_custom_target(shared-libraries)
  list(TRANSFORM MTLSPOP_PRODUCTS REPLACE "(.+)" "mtlspop_\\1_shared" OUTPUT_VARIABLE shared_libraries)
  add_dependencies(shared-libraries ${shared_libraries})
endif()
