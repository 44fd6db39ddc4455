// A process that forks, and one that ends, in the middle of it. Each is a program of its own, since neither can be undone.

#include <spawn.h>
#include <sys/wait.h>

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/scripted_server.hpp"
#include "support/temporary_directory.hpp"

extern char** environ;

namespace mtlspop::test {
namespace {

/// "" where the program ended with 0.
std::string EndOf(std::string mode, std::string url, std::string caFile) {
  std::string program{MTLSPOP_LIFECYCLE_PROGRAM};
  char* const arguments[] = {program.data(), mode.data(), url.data(), caFile.data(), nullptr};
  pid_t child = -1;
  if (::posix_spawn(&child, program.c_str(), nullptr, nullptr, arguments, environ) != 0) return "not started";
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) return "signal " + std::to_string(WTERMSIG(status));
  return WEXITSTATUS(status) == 0 ? "" : "exit code " + std::to_string(WEXITSTATUS(status));
}

class LifecycleTest : public testing::Test {
 protected:
  LifecycleTest() {
    ScriptedServerOptions options;
    options.Tls.emplace();
    options.Tls->Certificate = authority_.IssueForLoopback();
    server_ = std::make_unique<ScriptedServer>(std::move(options), [](ScriptedConnection& connection) {
      for (;;) {
        connection.ReadRequest();
        connection.Answer(200, "hello");
      }
    });
  }
  std::string EndOf(char const* mode) { return test::EndOf(mode, server_->Url(), caFile_); }

  TestCertificateAuthority authority_;
  TemporaryDirectory directory_;
  std::string caFile_ = directory_.WriteFile("ca.pem", authority_.CertificatePem());
  std::unique_ptr<ScriptedServer> server_;
};

using AttackForkTest = LifecycleTest;
using AttackEndOfProcessTest = LifecycleTest;

/// cpprestsdk's threads are not in the child: an error, rather than a wait for what never runs.
TEST_F(AttackForkTest, ARequestInAChildFailsAtOnceWhereCpprestsdksThreadsStayedBehind) {
  EXPECT_EQ(EndOf("child_get"), "");
  EXPECT_EQ(EndOf("child_new_client"), "");
}

TEST_F(AttackForkTest, AChildThatUsesTheClientFirstCanUseIt) { EXPECT_EQ(EndOf("child_first"), ""); }

TEST_F(AttackForkTest, AChildThatCallsExitDoesNotWaitForItsParentsThreads) { EXPECT_EQ(EndOf("child_exit"), ""); }

TEST_F(AttackEndOfProcessTest, ExitWithRequestsInFlightIsNoCrash) {
  for (int run = 0; run < 120; ++run) ASSERT_EQ(EndOf("exit_in_flight"), "") << "run " << run;
}

}  // namespace
}  // namespace mtlspop::test
