#include "program_runner.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <climits>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "errors.hpp"
#include "mtlspop/base/environment_variable.hpp"
#include "mtlspop/base/posix/descriptor.hpp"
#include "program_path.hpp"

namespace mtlspop::command {
namespace {

namespace chrono = std::chrono;

/// What is passed on. The others are the terminal's own business (stop, continue), faults, or nothing that can be caught.
constexpr std::array<int, 8> PassedOn{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH, SIGALRM};
/// How long what the program leaves behind may take to end when it is asked to.
constexpr auto OrphanPatience = chrono::seconds{2};
/// How often it is killed then: one that hangs in the kernel is given up.
constexpr int MostKills = 20;

[[noreturn]] void CannotStart(std::string const& what, int error) {
  Fail(
      errors::SystemFailure, "The program cannot be started: " + what + ": " + std::strerror(error),
      "Check the limits on processes and descriptors (ulimit -a)");
}

/// The number that a text of the kernel's begins with; 0 where it begins with none.
int NumberAt(std::string_view text) noexcept {
  int number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

/// All descriptors that a program which is executed now would have, beside the standard streams.
std::vector<int> ListInheritable() {
  std::vector<int> descriptors;
  std::error_code error;
  for (std::filesystem::directory_iterator entry{"/proc/self/fd", error}, end; entry != end; entry.increment(error)) {
    auto const descriptor = NumberAt(entry->path().filename().string());
    auto const flags = ::fcntl(descriptor, F_GETFD);
    if (descriptor > STDERR_FILENO && flags >= 0 && (flags & FD_CLOEXEC) == 0) descriptors.push_back(descriptor);
  }
  if (error) {
    Fail(
        errors::SystemFailure, "The descriptors of this process cannot be listed: " + error.message(),
        "Check that /proc is mounted, and the limit on descriptors (ulimit -n)");
  }
  std::sort(descriptors.begin(), descriptors.end());
  return descriptors;
}

std::vector<std::string> MergeEnvironment(ProgramStart const& start) {
  auto left = start.Removed;
  for (auto const& [name, value] : start.Environment) left.push_back(name);
  std::vector<std::string> merged;
  for (auto** variable = WholeEnvironment(); *variable != nullptr; ++variable) {
    std::string const own = *variable;
    bool const isLeft = std::any_of(left.begin(), left.end(), [&](std::string const& name) {
      return own.compare(0, name.size() + 1, name + "=") == 0;
    });
    if (!isLeft) merged.push_back(own);
  }
  for (auto const& [name, value] : start.Environment) merged.push_back(name + "=" + value);
  return merged;
}

std::string_view PathIn(std::vector<std::string> const& environment) noexcept {
  for (auto const& variable : environment) {
    if (variable.compare(0, 5, "PATH=") == 0) return std::string_view{variable}.substr(5);
  }
  return "/usr/local/bin:/usr/bin:/bin";
}

std::vector<char*> PointersTo(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (auto& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

/// All that the child needs between fork() and execve(), where nothing may be allocated and nothing locked.
struct Launch {
  std::string Path;
  std::vector<char*> Arguments;
  std::vector<char*> Environment;
  sigset_t const* Mask;
  std::vector<int> const* Inherited;
  pid_t Parent;
  int Report;

  [[noreturn]] void Execute() const noexcept {
    // It must not live on behind a gateway that is gone.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != Parent) ::_exit(1);
    unsigned first = STDERR_FILENO + 1;
    for (int const kept : *Inherited) {
      CloseAtExecute(first, static_cast<unsigned>(kept) - 1);
      first = static_cast<unsigned>(kept) + 1;
    }
    CloseAtExecute(first, UINT_MAX);
    struct sigaction usual {};
    usual.sa_handler = SIG_DFL;
    ::sigaction(SIGPIPE, &usual, nullptr);  // this process ignores it
    ::pthread_sigmask(SIG_SETMASK, Mask, nullptr);
    ::execve(Path.c_str(), Arguments.data(), Environment.data());
    int const error = errno;
    static_cast<void>(!::write(Report, &error, sizeof error));
    ::_exit(1);
  }

 private:
  static void CloseAtExecute(unsigned first, unsigned last) noexcept {
    if (first > last) return;
    // Linux before 5.11 has no such call; then what was opened without O_CLOEXEC stays open in the program.
    ::syscall(SYS_close_range, first, last, CLOSE_RANGE_CLOEXEC);
  }
};

/// The children of this process: with PR_SET_CHILD_SUBREAPER also what the program's own children have left behind.
std::vector<pid_t> ListChildren() {
  std::vector<pid_t> children;
  std::error_code error;
  for (std::filesystem::directory_iterator entry{"/proc", error}, end; entry != end; entry.increment(error)) {
    auto const name = entry->path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    std::ifstream stat{entry->path() / "stat"};
    std::string text;
    std::getline(stat, text);
    // "pid (name) state ppid ...": the name can hold anything.
    auto const nameEnd = text.rfind(") ");
    if (nameEnd == std::string::npos || nameEnd + 4 >= text.size()) continue;
    if (NumberAt(std::string_view{text}.substr(nameEnd + 4)) == ::getpid()) children.push_back(NumberAt(name));
  }
  return children;
}

timespec ToTimespec(chrono::nanoseconds duration) {
  auto const seconds = chrono::duration_cast<chrono::seconds>(duration);
  return {static_cast<time_t>(seconds.count()), static_cast<long>((duration - seconds).count())};
}

int ToShellStatus(int status) noexcept { return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status); }

}  // namespace

ProgramRunner::ProgramRunner() : inherited_(ListInheritable()) {
  ::sigemptyset(&awaited_);
  for (int const signal : PassedOn) ::sigaddset(&awaited_, signal);
  ::sigaddset(&awaited_, SIGCHLD);
  ::pthread_sigmask(SIG_BLOCK, &awaited_, &before_);
  // Where it is ignored, as a parent may have left it, the kernel takes the exit status away.
  struct sigaction usual {};
  usual.sa_handler = SIG_DFL;
  ::sigaction(SIGCHLD, &usual, nullptr);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
}

ProgramRunner::~ProgramRunner() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

int ProgramRunner::Run(ProgramStart const& start) {
  auto arguments = start.Arguments;
  auto environment = MergeEnvironment(start);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) CannotStart("no pipe", errno);
  Descriptor const report{ends[0]};
  Descriptor reporting{ends[1]};
  Launch const launch{
      FindProgram(arguments.front(), PathIn(environment)),
      PointersTo(arguments),
      PointersTo(environment),
      &before_,
      &inherited_,
      ::getpid(),
      reporting.Get()};
  auto const program = ::fork();
  if (program < 0) CannotStart("no process", errno);
  if (program == 0) launch.Execute();
  reporting = Descriptor{};
  int error = 0;
  if (::read(report.Get(), &error, sizeof error) == static_cast<ssize_t>(sizeof error)) {
    ::waitpid(program, nullptr, 0);
    Fail(
        error == ENOENT ? errors::ProgramNotFound : errors::ProgramNotExecutable,
        launch.Path + " cannot be executed: " + std::strerror(error),
        error == ENOEXEC ? "A script has to begin with the line #!/bin/sh, or that of its own interpreter"
                         : "Check its mode, its architecture, and the interpreter in its first line");
  }
  auto const status = Follow(program);
  EndOrphans();
  return status;
}

int ProgramRunner::Follow(int program) const {
  for (;;) {
    siginfo_t signal{};
    if (::sigwaitinfo(&awaited_, &signal) < 0) continue;  // interrupted, by a debugger for example
    if (signal.si_signo != SIGCHLD) {
      // What comes from the terminal has gone to the program as well, which is in the same process group.
      if (signal.si_code != SI_KERNEL) ::kill(program, signal.si_signo);
      continue;
    }
    int status = 0;
    for (pid_t ended = 0; (ended = ::waitpid(-1, &status, WNOHANG)) > 0;) {
      if (ended == program) return ToShellStatus(status);
    }
  }
}

void ProgramRunner::EndOrphans() const {
  auto const deadline = chrono::steady_clock::now() + OrphanPatience;
  int kills = 0;
  for (auto signal = SIGTERM; kills < MostKills;) {
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    auto const orphans = ListChildren();
    if (orphans.empty()) return;
    auto const left = deadline - chrono::steady_clock::now();
    if (left <= left.zero()) signal = SIGKILL;
    if (signal == SIGKILL) ++kills;
    for (pid_t const orphan : orphans) ::kill(orphan, signal);
    // Each that ends may leave others to us.
    auto const wait = ToTimespec(signal == SIGKILL ? chrono::milliseconds{100} : chrono::nanoseconds{left});
    sigset_t ended;
    ::sigemptyset(&ended);
    ::sigaddset(&ended, SIGCHLD);
    ::sigtimedwait(&ended, nullptr, &wait);
  }
}

}  // namespace mtlspop::command
