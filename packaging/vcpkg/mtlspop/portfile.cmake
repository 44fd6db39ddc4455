# An overlay port that builds the sources it lies in: vcpkg install mtlspop --overlay-ports=packaging/vcpkg
get_filename_component(SOURCE_PATH "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)

vcpkg_check_features(
  OUT_FEATURE_OPTIONS features
  FEATURES
    azure MTLSPOP_BUILD_AZURE
    command MTLSPOP_BUILD_COMMAND
    cpprest MTLSPOP_BUILD_CPPREST
    emulator MTLSPOP_BUILD_EMULATOR)

vcpkg_cmake_configure(
  SOURCE_PATH "${SOURCE_PATH}"
  OPTIONS ${features}
          -DMTLSPOP_BUILD_TESTS=OFF
          -DMTLSPOP_BUILD_SAMPLES=OFF
          -DMTLSPOP_BUILD_PKCS11=OFF
          -DMTLSPOP_BUILD_TPM=OFF
          -DMTLSPOP_WARNINGS_AS_ERRORS=OFF
          -DMTLSPOP_INSTALL=ON)
vcpkg_cmake_install()
# The last of them removes lib/cmake.
if(EXISTS "${CURRENT_PACKAGES_DIR}/lib/cmake/mtlspop-emulator")
  vcpkg_cmake_config_fixup(PACKAGE_NAME mtlspop-emulator CONFIG_PATH lib/cmake/mtlspop-emulator
                           DO_NOT_DELETE_PARENT_CONFIG_PATH)
endif()
vcpkg_cmake_config_fixup(PACKAGE_NAME mtlspop CONFIG_PATH lib/cmake/mtlspop)
if(EXISTS "${CURRENT_PACKAGES_DIR}/bin/mtlspop-emulator")
  vcpkg_copy_tools(TOOL_NAMES mtlspop-emulator AUTO_CLEAN)
endif()
if(EXISTS "${CURRENT_PACKAGES_DIR}/bin/mtlspop")
  vcpkg_copy_tools(TOOL_NAMES mtlspop AUTO_CLEAN)
endif()
vcpkg_fixup_pkgconfig()
vcpkg_copy_pdbs()

file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/debug/include" "${CURRENT_PACKAGES_DIR}/debug/share")
file(INSTALL "${CMAKE_CURRENT_LIST_DIR}/usage" DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
