#pragma once

/// @file
/// A GoogleTest fixture: an application's tests against mtlspop-emulator in three lines.
///
/// @code
/// #include <mtlspop/emulator/fixture.hpp>
/// using AppTest = mtlspop::emulator::Fixture;
/// TEST_F(AppTest, ReadsItsSecret) { EXPECT_EQ(ReadSecret("https://myvault.vault.azure.net", "password"), SecretValue()); }
/// @endcode
///
/// with, in CMake,
///
/// @code
/// find_package(mtlspop-emulator REQUIRED)
/// target_link_libraries(app_test PRIVATE mtlspop::emulator GTest::gtest_main)
/// @endcode

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "mtlspop/emulator/emulator.hpp"

namespace mtlspop {
namespace emulator {

/// The value of the secret `password` in every vault of `Shared()`'s default.
inline std::string SecretValue() { return "the-value-in-the-emulator"; }

/// The one emulator of this test program, started at the first call, with this process led to it. One for all tests,
/// since a process reads the variables once.
/// @param arguments options of mtlspop-emulator, looked at in the first call only: for others than the default, call it
/// from main() or from a testing::Environment before the first test.
inline Emulator& Shared(std::vector<std::string> const& arguments = {"--secret", "password=" + SecretValue()}) {
  static std::unique_ptr<Emulator> const shared = [&] {
    auto made = std::make_unique<Emulator>(arguments);
    made->LeadThisProcess();
    return made;
  }();
  return *shared;
}

/// Each test begins with no fault armed and an empty log. What the application itself keeps from test to test, such as a
/// token in the cache of its credential, stays.
class Fixture : public ::testing::Test {
 protected:
  Fixture() {
    TheEmulator().ClearFaults();
    TheEmulator().ClearLog();
  }
  ~Fixture() override {
    // Whatever a test left held would hold up the next one.
    try {
      TheEmulator().ClearFaults();
    } catch (std::exception const& error) {
      ADD_FAILURE() << error.what();
    }
  }

  /// The emulator that all tests of the program share.
  static Emulator& TheEmulator() { return Shared(); }
};

}  // namespace emulator
}  // namespace mtlspop
