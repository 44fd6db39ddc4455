# The program, the headers for the tests of applications, and the package that find_package(mtlspop-emulator) finds. A
# component of its own: an application's CI needs nothing else of mtlspop.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/mtlspop-emulator)

install(
  TARGETS mtlspop-emulator mtlspop_emulator
  EXPORT mtlspop-emulator
  RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT emulator)
install(
  DIRECTORY include/
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  COMPONENT emulator
  FILES_MATCHING
  PATTERN "*.hpp")
install(
  FILES ${CMAKE_CURRENT_SOURCE_DIR}/../../docs/man/mtlspop-emulator.1
  DESTINATION ${CMAKE_INSTALL_MANDIR}/man1
  COMPONENT emulator)
install(
  FILES completion/mtlspop-emulator.bash
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
  RENAME mtlspop-emulator
  COMPONENT emulator)
install(
  EXPORT mtlspop-emulator
  FILE mtlspop-emulator-targets.cmake
  NAMESPACE mtlspop::
  DESTINATION ${package_dir}
  COMPONENT emulator)
configure_package_config_file(package-config.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/mtlspop-emulatorConfig.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(
  ${CMAKE_CURRENT_BINARY_DIR}/mtlspop-emulatorConfigVersion.cmake
  VERSION ${PROJECT_VERSION}
  COMPATIBILITY SameMinorVersion)
install(
  FILES ${CMAKE_CURRENT_BINARY_DIR}/mtlspop-emulatorConfig.cmake
        ${CMAKE_CURRENT_BINARY_DIR}/mtlspop-emulatorConfigVersion.cmake
  DESTINATION ${package_dir}
  COMPONENT emulator)
