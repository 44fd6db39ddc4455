# Debian packages of what is installed, one for each component: ./dev package, or cpack in the build folder.
set(MTLSPOP_PACKAGE_CONTACT
    "The mtlspop authors <mtlspop@localhost.localdomain>"
    CACHE STRING "Maintainer that packages name")
find_program(MTLSPOP_GZIP gzip)
find_program(MTLSPOP_DPKG_GENSYMBOLS dpkg-gensymbols)
if(NOT MTLSPOP_GZIP OR NOT MTLSPOP_DPKG_GENSYMBOLS)
  message(STATUS "gzip or dpkg-gensymbols not found: Debian packages are left out")
  return()
endif()
set(packages_dir ${CMAKE_CURRENT_LIST_DIR}/packages)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME mtlspop)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "") # each package has its own
configure_file(${packages_dir}/finish.cmake.in ${PROJECT_BINARY_DIR}/packages/finish.cmake @ONLY)
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_BINARY_DIR}/packages/finish.cmake)
configure_file(${packages_dir}/project.cmake.in ${PROJECT_BINARY_DIR}/packages/project.cmake @ONLY)
set(CPACK_PROJECT_CONFIG_FILE ${PROJECT_BINARY_DIR}/packages/project.cmake)
set(CPACK_PACKAGE_CONTACT ${MTLSPOP_PACKAGE_CONTACT})
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ
                                                WORLD_EXECUTE)
set(CPACK_COMPONENTS_ALL development)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)

# Its name and what apt shows of it; `text` begins with the synopsis. Debian's policy wants copyright and changelog of each.
function(mtlspop_package component name section depends text)
  string(TOUPPER ${component} upper)
  set(CPACK_DEBIAN_${upper}_PACKAGE_NAME ${name} PARENT_SCOPE)
  set(CPACK_DEBIAN_${upper}_PACKAGE_SECTION ${section} PARENT_SCOPE)
  set(CPACK_DEBIAN_${upper}_PACKAGE_DEPENDS "${depends}" PARENT_SCOPE)
  set(CPACK_DEBIAN_${upper}_DESCRIPTION "${text}" PARENT_SCOPE)

  set(folder ${PROJECT_BINARY_DIR}/packages/${name})
  string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)
  set(package ${name})
  configure_file(${packages_dir}/changelog.in ${folder}/changelog @ONLY)
  configure_file(${packages_dir}/copyright.in ${folder}/copyright @ONLY)
  execute_process(COMMAND ${MTLSPOP_GZIP} -9nf ${folder}/changelog COMMAND_ERROR_IS_FATAL ANY)
  install(
    FILES ${folder}/copyright ${folder}/changelog.gz
    DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${name}
    COMPONENT ${component}
    EXCLUDE_FROM_ALL)
endfunction()

file(READ ${PROJECT_SOURCE_DIR}/LICENSE license)
string(REGEX REPLACE "\n\n" "\n.\n" license "${license}")
string(REGEX REPLACE "\n" "\n " license "${license}")
string(REGEX REPLACE "^MIT License\n \\.\n Copyright[^\n]*\n \\.\n" "" license "${license}")
string(STRIP "${license}" license)

set(dev_depends "libssl-dev, libmsgsl-dev")
if(BUILD_SHARED_LIBS)
  list(APPEND CPACK_COMPONENTS_ALL libraries)
  mtlspop_package(
    libraries libmtlspop${MTLSPOP_ABI} libs ""
    "certificate-bound access tokens (RFC 8705) for C++, shared libraries\n\
A token is bound to a certificate, and travels only over connections that\n\
present it. Programs that were built with libmtlspop-dev need these libraries.")
  set(folder ${PROJECT_BINARY_DIR}/packages/libmtlspop${MTLSPOP_ABI})
  file(CONFIGURE OUTPUT ${folder}/triggers CONTENT "activate-noawait ldconfig\n")
  # finish.cmake writes the other two.
  set(CPACK_DEBIAN_LIBRARIES_PACKAGE_CONTROL_EXTRA ${folder}/triggers ${folder}/shlibs ${folder}/symbols)
  string(PREPEND dev_depends "libmtlspop${MTLSPOP_ABI} (= ${PROJECT_VERSION}), ")
endif()

mtlspop_package(
  development libmtlspop-dev libdevel "${dev_depends}"
  "certificate-bound access tokens (RFC 8705) for C++, to build with\n\
Headers, archives, CMake packages and files for pkg-config. A token is bound\n\
to a certificate, and travels only over connections that present it. Adapters\n\
for cpprestsdk (libcpprest-dev), keys in TPMs (libtss2-dev) and in PKCS#11\n\
tokens (libp11-kit-dev) are part of it where it was built with them.")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SUGGESTS "libcpprest-dev, libtss2-dev, libp11-kit-dev, mtlspop-emulator")

if(TARGET mtlspop-emulator)
  list(APPEND CPACK_COMPONENTS_ALL emulator)
  mtlspop_package(
    emulator mtlspop-emulator devel ""
    "emulator of Azure's certificate-bound access tokens\n\
The instance metadata service, the token service over mutual TLS, a Key Vault\n\
and blob storage that truly enforce the binding, on loopback, for the tests of\n\
an application: mtlspop-emulator run -- ./app. With a page that shows the road\n\
of a token, and a GoogleTest fixture.")
endif()

if(TARGET mtlspop)
  list(APPEND CPACK_COMPONENTS_ALL command)
  # Its scripts make and remove a group.
  mtlspop_package(
    command mtlspop utils "passwd"
    "call services with certificate-bound access tokens\n\
Gets certificate and token from the managed identity service of Azure, and\n\
sends each request over a connection that presents the certificate. Tells what\n\
a machine can do, sends a request as curl would, and runs a program in any\n\
language whose calls then travel bound.")
  set(CPACK_DEBIAN_COMMAND_PACKAGE_SUGGESTS mtlspop-emulator)
  set(CPACK_DEBIAN_COMMAND_PACKAGE_CONTROL_EXTRA ${packages_dir}/mtlspop/conffiles ${packages_dir}/mtlspop/postinst
                                                 ${packages_dir}/mtlspop/prerm ${packages_dir}/mtlspop/postrm)
  set(CPACK_DEBIAN_COMMAND_PACKAGE_CONTROL_STRICT_PERMISSION ON)
endif()

# What has to be built before cpack runs.
add_custom_target(package-contents)
foreach(product ${MTLSPOP_PRODUCTS})
  foreach(kind ${MTLSPOP_PRODUCT_KINDS})
    add_dependencies(package-contents mtlspop_${product}_${kind})
  endforeach()
endforeach()
foreach(more mtlspop mtlspop-emulator mtlspop_adapter_kit)
  if(TARGET ${more})
    add_dependencies(package-contents ${more})
  endif()
endforeach()

include(CPack)
