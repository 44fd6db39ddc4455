# What `cmake --install` puts where, and the package that find_package(mtlspop) finds. Each adapter is a component with an
# export file of its own, so that a consumer of one needs not the framework of the other.
#
# `cmake --install BUILD --component NAME` installs a part: libraries (shared ones), development, command, emulator.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/mtlspop)

# Headers of a layer, and the header that marks what a product exports.
function(mtlspop_install_headers folder generated)
  install(
    DIRECTORY ${folder}/include/
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
    COMPONENT development
    FILES_MATCHING
    PATTERN "*.hpp")
  install(
    FILES ${MTLSPOP_GENERATED_INCLUDE_DIR}/mtlspop/${generated}export.hpp
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/mtlspop/${generated}
    COMPONENT development)
endfunction()

install(
  FILES ${MTLSPOP_GENERATED_INCLUDE_DIR}/mtlspop/version.hpp
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/mtlspop
  COMPONENT development)

foreach(product ${MTLSPOP_PRODUCTS})
  foreach(kind ${MTLSPOP_PRODUCT_KINDS})
    set(targets mtlspop_${product}_${kind})
    if(product STREQUAL core)
      foreach(layer ${MTLSPOP_CORE_LAYERS})
        list(APPEND targets mtlspop_${layer}_${kind})
      endforeach()
    endif()
    install(
      TARGETS ${targets}
      EXPORT mtlspop-${product}-${kind}
      ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development
      LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT libraries NAMELINK_COMPONENT development
      RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT libraries)
    install(
      EXPORT mtlspop-${product}-${kind}
      FILE mtlspop-${product}-${kind}-targets.cmake
      NAMESPACE mtlspop::
      DESTINATION ${package_dir}
      COMPONENT development)
  endforeach()
  if(product STREQUAL core)
    foreach(layer ${MTLSPOP_CORE_LAYERS})
      mtlspop_install_headers(${PROJECT_SOURCE_DIR}/${layer} "")
    endforeach()
  else()
    get_target_property(folder mtlspop_${product} SOURCE_DIR)
    mtlspop_install_headers(${folder} ${product}/)
  endif()
endforeach()

# The tests for adapters that live elsewhere.
if(TARGET mtlspop_adapter_kit)
  target_include_directories(mtlspop_adapter_kit PUBLIC $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(mtlspop_adapter_kit PUBLIC $<INSTALL_INTERFACE:mtlspop::policies> $<INSTALL_INTERFACE:GTest::gmock>)
  set_target_properties(mtlspop_adapter_kit PROPERTIES EXPORT_NAME adapter_kit)
  install(
    TARGETS mtlspop_adapter_kit
    EXPORT mtlspop-adapter_kit
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
  set(kit "")
  foreach(header bound_call_credential bound_call_drivers bound_call_resource bound_call_table manual_clock scripted_server
                 software_signer temporary_directory test_certificate_authority)
    list(APPEND kit tests/integration/support/${header}.hpp)
  endforeach()
  install(
    FILES ${kit}
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/mtlspop/adapter_kit
    COMPONENT development)
  install(
    EXPORT mtlspop-adapter_kit
    FILE mtlspop-adapter_kit-targets.cmake
    NAMESPACE mtlspop::
    DESTINATION ${package_dir}
    COMPONENT development)
endif()

# For builds without CMake. What is said of the prefix is relative to the file, which may be installed anywhere. With `--static`
# pkg-config says what the archives need as well.
function(mtlspop_pkg_config name description requires requires_private)
  file(RELATIVE_PATH prefix_from_file /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
  string(REPLACE "-" "_" library ${name})
  configure_file(cmake/mtlspop.pc.in ${PROJECT_BINARY_DIR}/${name}.pc @ONLY)
  install(
    FILES ${PROJECT_BINARY_DIR}/${name}.pc
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
    COMPONENT development)
endfunction()
if(NOT WIN32)
  # Public headers include OpenSSL's.
  mtlspop_pkg_config(mtlspop "${PROJECT_DESCRIPTION}" openssl "")
  if(TARGET mtlspop_tpm)
    mtlspop_pkg_config(mtlspop-tpm "mtlspop's keys in TPMs" mtlspop "tss2-esys tss2-mu tss2-rc tss2-tctildr")
  endif()
  if(TARGET mtlspop_pkcs11)
    mtlspop_pkg_config(mtlspop-pkcs11 "mtlspop's keys in PKCS#11 tokens" mtlspop p11-kit-1)
  endif()
endif()
if(TARGET mtlspop_cpprest AND NOT WIN32)
  # cpprestsdk has no file of its own for pkg-config.
  set(more_libs " -lcpprest")
  mtlspop_pkg_config(mtlspop-cpprest "mtlspop for clients of cpprestsdk" mtlspop "")
endif()

configure_package_config_file(cmake/mtlspopConfig.cmake.in ${PROJECT_BINARY_DIR}/mtlspopConfig.cmake INSTALL_DESTINATION
                              ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/mtlspopConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(
  FILES ${PROJECT_BINARY_DIR}/mtlspopConfig.cmake ${PROJECT_BINARY_DIR}/mtlspopConfigVersion.cmake
  DESTINATION ${package_dir}
  COMPONENT development)
install(
  FILES LICENSE
  DESTINATION ${CMAKE_INSTALL_DOCDIR}
  COMPONENT development)
