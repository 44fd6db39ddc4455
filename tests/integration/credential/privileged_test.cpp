// A program that runs with more rights than whoever started it does not let him say whom it trusts.

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/temporary_directory.hpp"

namespace mtlspop::test {
namespace {

/// Any that is not root's.
constexpr uid_t SomebodyElse = 65534;

/// What `program` prints that is started by another user, with the environment that he chose.
std::string OutputForSomebodyElse(std::string const& program) {
  int pipes[2];
  if (::pipe(pipes) != 0) return "no pipe";
  pid_t const child = ::fork();
  if (child == 0) {
    std::vector<char const*> const environment{
        "MTLSPOP_CA_FILE=/his/authority.pem", "MTLSPOP_CONNECT_OVERRIDES=a.example:443=127.0.0.1:1",
        "AZURE_POD_IDENTITY_AUTHORITY_HOST=http://his.example", "http_proxy=http://127.0.0.1:2", nullptr};
    char const* const arguments[] = {program.c_str(), nullptr};
    ::dup2(pipes[1], STDOUT_FILENO);
    if (::setgid(SomebodyElse) == 0 && ::setuid(SomebodyElse) == 0) {
      ::execve(program.c_str(), const_cast<char**>(arguments), const_cast<char**>(environment.data()));
    }
    ::_exit(1);
  }
  ::close(pipes[1]);
  std::string output;
  char buffer[256];
  for (ssize_t count = 0; (count = ::read(pipes[0], buffer, sizeof buffer)) > 0;) {
    output.append(buffer, static_cast<std::size_t>(count));
  }
  ::close(pipes[0]);
  ::waitpid(child, nullptr, 0);
  return output;
}

TEST(AttackPrivilegedProgramTest, IgnoresTheEnvironmentOfWhoeverStartsIt) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can make a program that runs as root for others";
  TemporaryDirectory const directory;
  auto const program = directory.PathOf("program");
  std::filesystem::copy_file(MTLSPOP_PRIVILEGED_PROGRAM, program);
  ASSERT_EQ(::chmod(program.c_str(), 0755), 0);
  auto const plain = OutputForSomebodyElse(program);
  EXPECT_EQ(
      plain, "privileged 0\nca_file /his/authority.pem\noverrides 1\nmetadata_service http://his.example\nproxied 1\n");

  ASSERT_EQ(::chmod(program.c_str(), 04755), 0);
  auto const privileged = OutputForSomebodyElse(program);
  if (privileged.find("privileged 0") != std::string::npos) {
    GTEST_SKIP() << "the system gives no rights to programs in " << directory.Path() << " (mounted with nosuid?)";
  }
  EXPECT_EQ(privileged, "privileged 1\nca_file \noverrides 0\nmetadata_service \nproxied 0\n");
}

}  // namespace
}  // namespace mtlspop::test
