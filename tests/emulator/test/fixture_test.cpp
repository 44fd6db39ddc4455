// What is installed for the tests of applications, used as they use it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <mtlspop/emulator/fixture.hpp>

namespace {

using AppTest = mtlspop::emulator::Fixture;
using mtlspop::emulator::Emulator;

bool Contains(std::string const& text, std::string const& part) { return text.find(part) != std::string::npos; }

TEST_F(AppTest, LeadsThisProcessToTheEmulator) {
  EXPECT_EQ(TheEmulator().ControlUrl(), std::getenv("AZURE_POD_IDENTITY_AUTHORITY_HOST"));
  EXPECT_EQ(TheEmulator().ControlUrl(), std::getenv("MTLSPOP_EMULATOR_CONTROL"));
  EXPECT_TRUE(Contains(std::getenv("MTLSPOP_CONNECT_OVERRIDES"), "*.vault.azure.net:443=127.0.0.1:"));
  EXPECT_TRUE(Contains(TheEmulator().Control("GET", "/emulator/startup"), R"("secrets":["password"])"));
}

TEST_F(AppTest, LeavesAFaultArmed) {
  TheEmulator().ArmFault(R"({"service":"sts","fault":{"status":503}})");
  EXPECT_TRUE(Contains(TheEmulator().Control("GET", "/emulator/faults"), "503"));
}

TEST_F(AppTest, BeginsWithoutTheFaultsOfTheTestBefore) {
  EXPECT_EQ(TheEmulator().Control("GET", "/emulator/faults"), "[]");
  EXPECT_EQ(TheEmulator().Log(), "[]");
}

TEST_F(AppTest, SaysWhyACallWasRefused) {
  try {
    TheEmulator().ArmFault(R"({"fault":{"statsu":503}})");
    FAIL();
  } catch (std::runtime_error const& error) {
    EXPECT_TRUE(Contains(error.what(), "400")) << error.what();
    EXPECT_TRUE(Contains(error.what(), "unknown member 'statsu'")) << error.what();
  }
}

TEST(EmulatorForTests, EndsWithTheObject) {
  std::string control;
  {
    Emulator const emulator({"--user-assigned-count", "0"});
    control = emulator.ControlUrl();
    emulator.AdvanceClock(60);
    EXPECT_NE(control, mtlspop::emulator::Shared().ControlUrl());
  }
  EXPECT_THROW(mtlspop::emulator::detail::ConnectTo(control), std::system_error);
}

TEST(EmulatorForTests, SaysThatItCannotBeStarted) {
  EXPECT_THROW(Emulator({"--no-such-option"}), std::runtime_error);
  EXPECT_THROW(Emulator({}, "/nowhere/at-all"), std::runtime_error);
}

TEST(EmulatorForTests, BelongsToTheProcessThatStartedIt) {
  auto const& shared = mtlspop::emulator::Shared();
  EXPECT_EXIT(std::exit(3), testing::ExitedWithCode(3), "");
  EXPECT_NE(shared.Control("GET", "/emulator/startup"), "");
}

}  // namespace
