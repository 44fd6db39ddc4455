# What `cmake --install` puts where, and the package that find_package(mtlspop) finds. Each adapter is a component with an
# export file of its own, so that a consumer of one needs not the framework of the other.
#
# `cmake --install BUILD --component NAME` installs a part: libraries (shared ones), development, command, emulator.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/mtlspop)

function(mtlspop_install export target include_dir)
  set_target_properties(${target} PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION
                                                                        ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
  install(
    TARGETS ${target}
    EXPORT mtlspop-${export}
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT libraries NAMELINK_COMPONENT development
    RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT libraries)
  install(
    DIRECTORY ${include_dir}/
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
    COMPONENT development
    FILES_MATCHING
    PATTERN "*.hpp")
endfunction()

install(
  FILES ${MTLSPOP_GENERATED_INCLUDE_DIR}/mtlspop/version.hpp
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/mtlspop
  COMPONENT development)

set(exports core)
foreach(layer transport credential policies)
  mtlspop_install(core mtlspop_${layer} ${PROJECT_SOURCE_DIR}/${layer}/include)
endforeach()
foreach(key cng tpm pkcs11)
  if(TARGET mtlspop_${key})
    mtlspop_install(${key} mtlspop_${key} ${PROJECT_SOURCE_DIR}/keys/${key}/include)
    list(APPEND exports ${key})
  endif()
endforeach()
foreach(adapter cpprest azure)
  if(TARGET mtlspop_${adapter})
    mtlspop_install(${adapter} mtlspop_${adapter} ${PROJECT_SOURCE_DIR}/adapters/${adapter}/include)
    list(APPEND exports ${adapter})
  endif()
endforeach()

foreach(export ${exports})
  install(
    EXPORT mtlspop-${export}
    FILE mtlspop-${export}-targets.cmake
    NAMESPACE mtlspop::
    DESTINATION ${package_dir}
    COMPONENT development)
endforeach()

# For builds without CMake. What is said of the prefix is relative to the file, which may be installed anywhere.
function(mtlspop_pkg_config name description requires libs)
  file(RELATIVE_PATH prefix_from_file /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
  configure_file(cmake/mtlspop.pc.in ${PROJECT_BINARY_DIR}/${name}.pc @ONLY)
  install(
    FILES ${PROJECT_BINARY_DIR}/${name}.pc
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
    COMPONENT development)
endfunction()
if(NOT WIN32)
  mtlspop_pkg_config(mtlspop "${PROJECT_DESCRIPTION}" openssl "-lmtlspop_policies -lmtlspop_credential -lmtlspop_transport")
endif()
if(TARGET mtlspop_cpprest AND NOT WIN32)
  mtlspop_pkg_config(mtlspop-cpprest "mtlspop for clients of cpprestsdk" mtlspop "-lmtlspop_cpprest -lcpprest")
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
