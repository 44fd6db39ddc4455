#include "child_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <map>
#include <stdexcept>
#include <system_error>

#include <gsl/util>

extern char** environ;

namespace demo {
namespace {

using Environment = std::map<std::string, std::string, std::less<>>;

struct BothEnds {
  int Read = -1;
  int Write = -1;
};

void Close(int& descriptor) noexcept {
  if (descriptor >= 0) ::close(descriptor);
  descriptor = -1;
}

[[noreturn]] void Fail(int error, std::string const& what) {
  throw std::system_error{error, std::generic_category(), what};
}

BothEnds MakePipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) Fail(errno, "pipe2");
  return {ends[0], ends[1]};
}

std::vector<std::string> EnvironmentWith(std::vector<std::pair<std::string, std::string>> const& changes) {
  Environment variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    std::string_view const text{*entry};
    auto const equals = text.find('=');
    if (equals != std::string_view::npos) variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  for (auto const& [name, value] : changes) variables[name] = value;
  std::vector<std::string> lines;
  for (auto const& [name, value] : variables) lines.push_back(name + "=" + value);
  return lines;
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (auto& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

pid_t Spawn(Command const& command, int input, int output, int error) {
  posix_spawn_file_actions_t actions{};
  ::posix_spawn_file_actions_init(&actions);
  auto const destroy = gsl::finally([&actions] { ::posix_spawn_file_actions_destroy(&actions); });
  ::posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, error, STDERR_FILENO);

  auto arguments = command.Arguments;
  auto environment = EnvironmentWith(command.Environment);
  pid_t pid = -1;
  int const failure = ::posix_spawn(
      &pid, arguments.front().c_str(), &actions, nullptr, Pointers(arguments).data(), Pointers(environment).data());
  if (failure != 0) Fail(failure, "cannot start " + arguments.front());
  return pid;
}

int MillisecondsUntil(ChildProcess::Clock::time_point deadline) {
  auto const left = std::chrono::ceil<std::chrono::milliseconds>(deadline - ChildProcess::Clock::now()).count();
  return left > 0 ? static_cast<int>(left) : 0;
}

}  // namespace

ChildProcess::ChildProcess(Command const& command) : name_(command.Arguments.front()) {
  auto input = MakePipe();
  auto output = MakePipe();
  auto error = MakePipe();
  input_ = input.Write;
  output_.Descriptor = output.Read;
  error_.Descriptor = error.Read;
  auto const closeTheirs = gsl::finally([&] {
    Close(input.Read);
    Close(output.Write);
    Close(error.Write);
  });
  pid_ = Spawn(command, input.Read, output.Write, error.Write);
}

ChildProcess::~ChildProcess() {
  Close(input_);
  if (!exitCode_) {
    if (!EndsWithin(std::chrono::seconds{2})) ::kill(pid_, SIGKILL);
    Wait();
  }
  Close(output_.Descriptor);
  Close(error_.Descriptor);
}

bool ChildProcess::ReadSome(Pipe& pipe, Stream stream, std::function<bool(Stream, std::string_view)> const& onLine) {
  std::array<char, 4096> buffer{};
  auto const count = ::read(pipe.Descriptor, buffer.data(), buffer.size());
  if (count < 0 && errno == EINTR) return true;
  if (count > 0) {
    pipe.Pending.append(buffer.data(), static_cast<std::size_t>(count));
  } else {
    Close(pipe.Descriptor);
    if (!pipe.Pending.empty()) pipe.Pending += '\n';
  }
  for (auto end = pipe.Pending.find('\n'); end != std::string::npos; end = pipe.Pending.find('\n')) {
    auto const line = pipe.Pending.substr(0, end);
    pipe.Pending.erase(0, end + 1);
    if (!onLine(stream, line)) return false;
  }
  return true;
}

void ChildProcess::ReadLines(std::function<bool(Stream, std::string_view)> const& onLine, Clock::time_point deadline) {
  while (output_.Descriptor >= 0 || error_.Descriptor >= 0) {
    // A negative descriptor is left out by poll.
    std::array<pollfd, 2> waited{pollfd{output_.Descriptor, POLLIN, 0}, pollfd{error_.Descriptor, POLLIN, 0}};
    int const ready = ::poll(waited.data(), waited.size(), MillisecondsUntil(deadline));
    if (ready == 0) throw std::runtime_error{name_ + " took too long"};
    if (ready < 0) {
      if (errno == EINTR) continue;
      Fail(errno, "poll");
    }
    if (waited[1].revents != 0 && !ReadSome(error_, Stream::Error, onLine)) return;
    if (waited[0].revents != 0 && !ReadSome(output_, Stream::Output, onLine)) return;
  }
}

bool ChildProcess::EndsWithin(std::chrono::milliseconds time) {
  try {
    ReadLines([](Stream, std::string_view) { return true; }, Clock::now() + time);
    return true;
  } catch (std::exception const&) {
    return false;
  }
}

int ChildProcess::Wait() {
  if (exitCode_) return *exitCode_;
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0) {
    if (errno != EINTR) Fail(errno, "waitpid");
  }
  exitCode_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return *exitCode_;
}

}  // namespace demo
