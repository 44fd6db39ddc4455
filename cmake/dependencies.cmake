# What the library is built on. Debian and vcpkg ship all of it but the Azure SDK (vcpkg alone); see vcpkg.json and
# CONTRIBUTING.md. What an installed mtlspop needs of it is found again by mtlspopConfig.cmake.in.
if(PROJECT_IS_TOP_LEVEL)
  set(CMAKE_FIND_USE_PACKAGE_REGISTRY OFF) # what is installed, not somebody's build folder
endif()

find_package(Threads REQUIRED)
find_package(Microsoft.GSL CONFIG REQUIRED)
find_package(nlohmann_json 3.9 CONFIG REQUIRED)
if(NOT WIN32)
  find_package(OpenSSL 3.0 REQUIRED)
  find_package(Boost 1.74 REQUIRED) # Beast, headers alone
endif()

if(MTLSPOP_BUILD_CPPREST)
  find_package(cpprestsdk CONFIG REQUIRED)
endif()

if(MTLSPOP_BUILD_AZURE)
  find_package(azure-core-cpp 1.14 CONFIG QUIET)
  if(NOT azure-core-cpp_FOUND)
    message(STATUS "azure-core-cpp 1.14 or later not found: mtlspop::azure is left out")
  endif()
endif()

if(MTLSPOP_BUILD_COMMAND AND NOT WIN32)
  find_package(CLI11 2.1 CONFIG QUIET)
  if(NOT CLI11_FOUND)
    message(STATUS "CLI11 2.1 or later not found: the command mtlspop is left out")
  endif()
endif()

if(MTLSPOP_BUILD_TESTS)
  find_package(GTest CONFIG REQUIRED)
  include(GoogleTest)
  include(${CMAKE_CURRENT_LIST_DIR}/testing.cmake)
endif()
