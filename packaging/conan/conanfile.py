"""Builds the sources that this recipe lies in: conan create packaging/conan --build=missing"""

import os

from conan import ConanFile
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain, cmake_layout
from conan.tools.files import copy, rmdir


class Mtlspop(ConanFile):
    name = "mtlspop"
    version = "0.1.0"
    license = "MIT"
    description = "Certificate-bound access tokens (RFC 8705) for C++"
    package_type = "library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"shared": [True, False], "fPIC": [True, False], "with_cpprest": [True, False]}
    default_options = {"shared": False, "fPIC": True, "with_cpprest": True}

    def export_sources(self):
        source = os.path.join(self.recipe_folder, "..", "..")
        for pattern in ("CMakeLists.txt", "LICENSE", "base/*", "transport/*", "credential/*", "policies/*", "keys/*",
                        "adapters/*", "cmake/*", "tests/CMakeLists.txt"):
            copy(self, pattern, source, self.export_sources_folder)

    def config_options(self):
        if self.settings.os == "Windows":
            del self.options.fPIC
            self.options.with_cpprest = False

    def requirements(self):
        # First, since it names one version of Boost; and it links Boost's libraries, of which mtlspop has headers alone.
        if self.options.with_cpprest:
            self.requires("cpprestsdk/2.10.19", transitive_headers=True)
        self.requires("ms-gsl/4.0.0", transitive_headers=True)
        self.requires("nlohmann_json/3.11.3")
        if self.settings.os != "Windows":
            self.requires("openssl/[>=3.0 <4]", transitive_headers=True)
            boost = {} if self.options.with_cpprest else {"options": {"header_only": True}}
            self.requires("boost/[>=1.74 <2]", **boost)

    def layout(self):
        cmake_layout(self)

    def generate(self):
        toolchain = CMakeToolchain(self)
        toolchain.cache_variables["MTLSPOP_BUILD_CPPREST"] = bool(self.options.with_cpprest)
        for part in ("AZURE", "COMMAND", "PKCS11", "TPM", "TESTS", "SAMPLES", "EMULATOR"):
            toolchain.cache_variables["MTLSPOP_BUILD_" + part] = False
        toolchain.cache_variables["MTLSPOP_WARNINGS_AS_ERRORS"] = False
        toolchain.generate()
        CMakeDeps(self).generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        CMake(self).install()
        # Conan writes these anew, for its own packages of what they need.
        rmdir(self, os.path.join(self.package_folder, "lib", "cmake"))
        rmdir(self, os.path.join(self.package_folder, "lib", "pkgconfig"))
        rmdir(self, os.path.join(self.package_folder, "share"))

    def package_info(self):
        self.cpp_info.set_property("cmake_file_name", "mtlspop")
        core = self.cpp_info.components["core"]
        core.set_property("cmake_target_name", "mtlspop::mtlspop")
        core.set_property("cmake_target_aliases", ["mtlspop::" + layer for layer in ("transport", "credential", "policies")])
        core.set_property("pkg_config_name", "mtlspop")
        core.libs = ["mtlspop"]
        core.requires = ["ms-gsl::ms-gsl", "nlohmann_json::nlohmann_json"]
        if self.settings.os == "Windows":
            core.system_libs = ["winhttp", "bcrypt", "crypt32", "ncrypt", "ws2_32", "wintrust"]
            core.defines = ["NOMINMAX"]
        else:
            core.requires += ["openssl::openssl", "boost::headers"]
            core.system_libs = ["pthread"]
        if self.options.with_cpprest:
            cpprest = self.cpp_info.components["cpprest"]
            cpprest.set_property("cmake_target_name", "mtlspop::cpprest")
            cpprest.set_property("pkg_config_name", "mtlspop-cpprest")
            cpprest.libs = ["mtlspop_cpprest"]
            cpprest.requires = ["core", "cpprestsdk::cpprestsdk"]
