#pragma once

/// @file
/// Another program, started and ended by a test.

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace mtlspop::test {

/// A loopback port that nobody listens on, and that the kernel gives to nobody else for a minute: a connection of it is
/// left in TIME_WAIT, so that only a server that sets SO_REUSEADDR, as all servers do, can have it.
std::uint16_t ReserveLoopbackPort();

/// What to start and how to end it.
struct ServerCommand {
  /// Absolute path of the program, then its arguments.
  std::vector<std::string> Arguments;
  /// "NAME=value", added to this process's environment.
  std::vector<std::string> Environment;
  /// What asks it to end; SIGKILL follows after two seconds.
  int StopSignal = SIGTERM;
};

/// A running program. It is in a process group of its own and ends with this process at the latest, however that ends.
///
/// Thread safety: all members may be called from any thread, except the constructor's thread must live as long as this.
class ServerProcess final {
 public:
  /// @throw std::runtime_error where the program cannot be started.
  explicit ServerProcess(ServerCommand command);
  ~ServerProcess();
  ServerProcess(ServerProcess const&) = delete;
  ServerProcess& operator=(ServerProcess const&) = delete;

  /// Returns once a TCP connection to 127.0.0.1:`port` was made.
  /// @throw std::runtime_error with the program's output where it ends before, or does not listen in time.
  void WaitUntilListening(std::uint16_t port) const;
  /// Returns once `text` stands in its output. False where the program ends before, or it takes too long.
  bool WaitForOutput(std::string_view text) const;
  /// Standard output and standard error so far.
  std::string Output() const;
  /// Writes to its standard input.
  void Write(std::string_view text) const;
  /// Ends it and whatever it started, and waits for that.
  void Stop();
  pid_t Pid() const noexcept { return pid_; }

 private:
  void ReadOutput();
  bool HasEnded() const;

  ServerCommand command_;
  pid_t pid_ = -1;
  int input_ = -1;
  int output_ = -1;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::string text_;
  bool outputEnded_ = false;
  std::thread reader_;
};

}  // namespace mtlspop::test
