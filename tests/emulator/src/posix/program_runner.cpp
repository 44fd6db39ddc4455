#include "program_runner.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <map>
#include <stdexcept>

#include "system.hpp"

namespace mtlspop_emulator {
namespace {

constexpr int PassedOn[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};

// This process's environment with the variables in the place of those of the same name.
std::vector<std::string> EnvironmentWith(Variables const& variables) {
  std::map<std::string, std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    std::string const text = *entry;
    auto const equals = text.find('=', 1);
    if (equals != std::string::npos) {
      all[text.substr(0, equals)] = text.substr(equals + 1);
    }
  }
  for (auto const& [name, value] : variables) {
    all[name] = value;
  }
  std::vector<std::string> lines;
  for (auto const& [name, value] : all) {
    lines.push_back(name + "=" + value);
  }
  return lines;
}

std::vector<char*> PointersTo(std::vector<std::string> const& texts) {
  std::vector<char*> pointers;
  for (auto const& text : texts) {
    pointers.push_back(const_cast<char*>(text.c_str()));
  }
  pointers.push_back(nullptr);
  return pointers;
}

// The reason why the program could not be started, or 0: what it started with closed the pipe.
int ReadFailure(int pipeEnd) {
  int reason = 0;
  ssize_t size = 0;
  do {
    size = read(pipeEnd, &reason, sizeof reason);
  } while (size < 0 && errno == EINTR);
  close(pipeEnd);
  return size == static_cast<ssize_t>(sizeof reason) ? reason : 0;
}

// A terminal's signal has reached the program already: it is in the same process group.
bool CameFromTerminal(siginfo_t const& info) { return info.si_code == SI_KERNEL; }

// Stays until the child is gone. Its status as a shell gives it.
int Accompany(pid_t child, sigset_t const& signals) {
  for (;;) {
    siginfo_t info{};
    int const number = sigwaitinfo(&signals, &info);
    bool const isSent = number > 0 && number != SIGCHLD && !CameFromTerminal(info);
    int status = 0;
    if (waitpid(child, &status, WNOHANG) == child) {
      if (isSent) {
        // It is taken before a SIGCHLD that waits with it, and finds nobody to pass it on to: it stays pending, for WaitForEnd.
        kill(getpid(), number);
      }
      return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    if (isSent) {
      kill(child, number);
    }
  }
}

}  // namespace

struct ProgramRunner::Kept {
  [[noreturn]] void BecomeProgram(char* const* argv, char* const* environment, int failures) const;

  sigset_t Held;
  sigset_t Before;
  rlimit Descriptors{};
  bool PipeSignalWasIgnored = false;
};

ProgramRunner::~ProgramRunner() = default;

ProgramRunner::ProgramRunner() : _kept(std::make_unique<Kept>()) {
  // Where a parent ignores it, no child could be waited for.
  std::signal(SIGCHLD, SIG_DFL);
  // OpenSSL writes to sockets without MSG_NOSIGNAL.
  _kept->PipeSignalWasIgnored = std::signal(SIGPIPE, SIG_IGN) == SIG_IGN;
  sigemptyset(&_kept->Held);
  sigaddset(&_kept->Held, SIGCHLD);
  for (int const number : PassedOn) {
    sigaddset(&_kept->Held, number);
  }
  pthread_sigmask(SIG_BLOCK, &_kept->Held, &_kept->Before);
  getrlimit(RLIMIT_NOFILE, &_kept->Descriptors);
}

// In the child of a process with threads: nothing here may allocate.
void ProgramRunner::Kept::BecomeProgram(char* const* argv, char* const* environment, int failures) const {
  if (!PipeSignalWasIgnored) {
    std::signal(SIGPIPE, SIG_DFL);
  }
  setrlimit(RLIMIT_NOFILE, &Descriptors);
  sigprocmask(SIG_SETMASK, &Before, nullptr);
  execvpe(argv[0], argv, environment);
  int const reason = errno;
  static_cast<void>(!write(failures, &reason, sizeof reason));
  _exit(127);
}

int ProgramRunner::Run(std::vector<std::string> const& command, Variables const& environment) const {
  auto const lines = EnvironmentWith(environment);
  auto const environmentPointers = PointersTo(lines);
  auto const argv = PointersTo(command);
  int failures[2];
  if (pipe2(failures, O_CLOEXEC) != 0) {
    throw std::runtime_error(std::string("cannot start a program: ") + std::strerror(errno));
  }
  pid_t const child = fork();
  if (child == 0) {
    _kept->BecomeProgram(argv.data(), environmentPointers.data(), failures[1]);
  }
  int const forkFailure = errno;
  close(failures[1]);
  if (child < 0) {
    close(failures[0]);
    throw std::runtime_error(std::string("cannot start a program: ") + std::strerror(forkFailure));
  }
  if (int const reason = ReadFailure(failures[0])) {
    waitpid(child, nullptr, 0);
    std::fprintf(stderr, "mtlspop-emulator: cannot run %s: %s\n", command[0].c_str(), std::strerror(reason));
    return reason == ENOENT ? 127 : 126;
  }
  EndOutput();
  return Accompany(child, _kept->Held);
}

void ProgramRunner::WaitForEnd() const {
  int number = 0;
  while (number != SIGTERM && number != SIGINT && number != SIGHUP) {
    number = sigwaitinfo(&_kept->Held, nullptr);
  }
}

}  // namespace mtlspop_emulator
