# What the library is built on. Debian and vcpkg ship all of it; see vcpkg.json and CONTRIBUTING.md.
find_package(Threads REQUIRED)
find_package(Microsoft.GSL CONFIG REQUIRED)
find_package(nlohmann_json 3.9 CONFIG REQUIRED)
if(NOT WIN32)
  find_package(OpenSSL 3.0 REQUIRED)
  find_package(Boost 1.74 REQUIRED) # Beast, headers alone
endif()
