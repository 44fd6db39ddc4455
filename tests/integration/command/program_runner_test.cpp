// How `mtlspop run` starts a program, stays beside it, and ends with it.
#include <gmock/gmock.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <sstream>

#include "command_process.hpp"
#include "support/temporary_directory.hpp"

namespace mtlspop::test {
namespace {

using testing::HasSubstr;

CommandStart Shell(std::string const& script) {
  return {{"/bin/sh", "-c", script}, {"GIVEN=by another", "KEPT=yes"}, {}, PROGRAM_RUNNER_PATH};
}

CommandResult RunProgram(std::vector<std::string> arguments) {
  return RunCommand({std::move(arguments), {}, {}, PROGRAM_RUNNER_PATH});
}

/// Whether a process ends in a few seconds, or has; it need not be a child.
bool Ends(pid_t process) {
  int const descriptor = static_cast<int>(::syscall(SYS_pidfd_open, process, 0));
  if (descriptor < 0) return errno == ESRCH;
  pollfd ended{descriptor, POLLIN, 0};
  auto const count = ::poll(&ended, 1, 5'000);
  ::close(descriptor);
  return count == 1;
}

pid_t NumberIn(std::string const& text) { return static_cast<pid_t>(std::stol(text)); }

TEST(ProgramRunner, HasTheProgramsStatusAndStreams) {
  auto start = Shell("read line; echo out $line; echo error >&2; exit 7");
  start.Input = "from input\n";
  auto const result = RunCommand(start);
  EXPECT_EQ(result.Status, 7);
  EXPECT_EQ(result.Out, "out from input\n");
  EXPECT_EQ(result.Error, "error\n");
  EXPECT_EQ(RunCommand(Shell("kill -TERM $$")).Status, 128 + SIGTERM);
  EXPECT_EQ(RunCommand(Shell("kill -PIPE $$")).Status, 128 + SIGPIPE)
      << "what this process ignores the program does not";
}

TEST(ProgramRunner, AddsToTheEnvironment) { EXPECT_EQ(RunCommand(Shell("echo $GIVEN $KEPT")).Out, "by us yes\n"); }

TEST(ProgramRunner, FindsTheProgramInPath) {
  EXPECT_EQ(RunProgram({"true"}).Status, 0);
  EXPECT_EQ(RunProgram({"false"}).Status, 1);
}

TEST(ProgramRunner, SaysWhyAProgramCannotBeStarted) {
  TemporaryDirectory const folder;
  auto const missing = RunProgram({"no-such-program-anywhere"});
  EXPECT_EQ(missing.Status, 127);
  EXPECT_THAT(missing.Error, HasSubstr("no-such-program-anywhere"));
  EXPECT_EQ(RunProgram({folder.PathOf("missing")}).Status, 127);
  EXPECT_EQ(RunProgram({folder.Path()}).Status, 126);
  auto const script = folder.WriteFile("script", "echo hello\n");
  EXPECT_EQ(RunProgram({script}).Status, 126);
  ::chmod(script.c_str(), 0700);
  auto const headless = RunProgram({script});
  EXPECT_EQ(headless.Status, 126);
  EXPECT_THAT(headless.Error, HasSubstr("#!"));
  auto const lost = folder.WriteFile("lost", "#!/no/interpreter\n");
  ::chmod(lost.c_str(), 0700);
  EXPECT_EQ(RunProgram({lost}).Status, 127);
}

TEST(ProgramRunner, PassesSignalsOn) {
  for (int const signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) {
    RunningCommand running{
        Shell("trap 'echo got; exit 3' TERM INT HUP USR1; echo ready; while :; do sleep 0.05; done")};
    ASSERT_TRUE(running.WaitForOutput("ready"));
    ::kill(running.Pid(), signal);
    auto const result = running.Wait();
    EXPECT_EQ(result.Status, 3) << signal;
    EXPECT_THAT(result.Out, HasSubstr("got"));
  }
  RunningCommand running{Shell("echo ready; exec sleep 30")};
  ASSERT_TRUE(running.WaitForOutput("ready"));
  ::kill(running.Pid(), SIGTERM);
  EXPECT_EQ(running.Wait().Status, 128 + SIGTERM);
}

TEST(ProgramRunner, LeavesNothingBehind) {
  auto const result = RunCommand(
      Shell("sleep 300 >/dev/null 2>&1 & echo $!; (setsid sh -c 'echo $$; exec sleep 300 >/dev/null 2>&1' &); "
            "sleep 0.2; exit 4"));
  EXPECT_EQ(result.Status, 4);
  std::istringstream lines{result.Out};
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) EXPECT_TRUE(Ends(NumberIn(line)));
  EXPECT_EQ(count, 2);
}

TEST(ProgramRunner, KillsWhatDoesNotWantToEnd) {
  auto const begin = std::chrono::steady_clock::now();
  auto const result =
      RunCommand(Shell("(trap '' TERM; while :; do sleep 0.1; done) >/dev/null 2>&1 & echo $!; exit 5"));
  EXPECT_EQ(result.Status, 5);
  EXPECT_TRUE(Ends(NumberIn(result.Out)));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds{15});
}

TEST(ProgramRunner, TakesTheProgramAlongWhereItIsKilled) {
  RunningCommand running{Shell("echo $$; exec sleep 300")};
  ASSERT_TRUE(running.WaitForOutput("\n"));
  ::kill(running.Pid(), SIGKILL);
  auto const result = running.Wait();
  EXPECT_EQ(result.Status, 128 + SIGKILL);
  EXPECT_TRUE(Ends(NumberIn(result.Out)));
}

TEST(ProgramRunner, GivesTheProgramTheDescriptorsThatItWasGivenAndNoOthers) {
  int const given = ::open("/dev/null", O_RDONLY);  // without O_CLOEXEC
  auto const result = RunCommand(Shell("ls /proc/$$/fd"));
  EXPECT_THAT(result.Out, HasSubstr(std::to_string(given) + "\n"));
  int others = 0;
  for (auto const letter : result.Out) others += letter == '\n' ? 1 : 0;
  // Standard streams, the one above, and whatever else this test program was started with.
  auto const without = RunCommand({{"-c", "ls /proc/$$/fd"}, {}, {}, "/bin/sh"});
  int expected = 0;
  for (auto const letter : without.Out) expected += letter == '\n' ? 1 : 0;
  EXPECT_EQ(others, expected);
  ::close(given);
}

}  // namespace
}  // namespace mtlspop::test
