#include "support/server_process.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <system_error>

#include "support/event.hpp"

extern char** environ;

namespace mtlspop::test {

namespace {

/// A file descriptor that closes itself.
class Descriptor final {
 public:
  explicit Descriptor(int value) : value_(value) {
    if (value_ < 0) throw std::system_error{errno, std::generic_category(), "descriptor"};
  }
  ~Descriptor() { ::close(value_); }
  Descriptor(Descriptor const&) = delete;
  Descriptor& operator=(Descriptor const&) = delete;
  int Get() const noexcept { return value_; }

 private:
  int value_;
};

sockaddr_in Loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

void Check(int result, char const* what) {
  if (result != 0) throw std::system_error{errno, std::generic_category(), what};
}

bool CanConnect(std::uint16_t port) {
  Descriptor const socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  auto const address = Loopback(port);
  return ::connect(socket.Get(), reinterpret_cast<sockaddr const*>(&address), sizeof address) == 0;
}

std::vector<char*> PointersTo(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (auto& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

/// In the child, between fork and exec: only what is safe there (signal-safety(7)).
[[noreturn]] void BecomeServer(
    pid_t parent, int input, int output, int stopSignal, std::vector<char*> const& arguments, char** environment) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, stopSignal);
  if (::getppid() != parent) ::_exit(126);
  ::signal(SIGPIPE, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::dup2(input, STDIN_FILENO);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(output, STDERR_FILENO);
  ::execve(arguments.front(), arguments.data(), environment);
  ::_exit(127);
}

/// Waits for the process to end without taking its exit status. False where it still runs after `patience`.
bool EndsWithin(pid_t pid, std::chrono::milliseconds patience) {
  return Eventually(
      [pid] {
        siginfo_t ended{};
        return ::waitid(P_PID, static_cast<id_t>(pid), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid == pid;
      },
      patience);
}

}  // namespace

std::uint16_t ReserveLoopbackPort() {
  Descriptor const listener{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  int const yes = 1;
  Check(::setsockopt(listener.Get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes), "setsockopt");
  auto address = Loopback(0);
  Check(::bind(listener.Get(), reinterpret_cast<sockaddr const*>(&address), sizeof address), "bind");
  Check(::listen(listener.Get(), 1), "listen");
  socklen_t length = sizeof address;
  Check(::getsockname(listener.Get(), reinterpret_cast<sockaddr*>(&address), &length), "getsockname");
  Descriptor const client{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  Check(::connect(client.Get(), reinterpret_cast<sockaddr const*>(&address), sizeof address), "connect");
  // The side that closes first keeps the port in TIME_WAIT.
  { Descriptor const accepted{::accept4(listener.Get(), nullptr, nullptr, SOCK_CLOEXEC)}; }
  std::array<char, 1> nothing{};
  (void)::recv(client.Get(), nothing.data(), nothing.size(), 0);
  return ntohs(address.sin_port);
}

ServerProcess::ServerProcess(ServerCommand command) : command_(std::move(command)) {
  std::array<int, 2> toChild{};
  std::array<int, 2> fromChild{};
  // A socket, since writing to a pipe that nobody reads would raise SIGPIPE in the test.
  Check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, toChild.data()), "socketpair");
  Check(::pipe2(fromChild.data(), O_CLOEXEC), "pipe");
  input_ = toChild[1];
  output_ = fromChild[0];

  auto arguments = PointersTo(command_.Arguments);
  std::vector<char*> environment = PointersTo(command_.Environment);
  environment.pop_back();
  for (char** variable = environ; *variable != nullptr; ++variable) environment.push_back(*variable);
  environment.push_back(nullptr);

  auto const parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) {
    BecomeServer(parent, toChild[0], fromChild[1], command_.StopSignal, arguments, environment.data());
  }
  ::close(toChild[0]);
  ::close(fromChild[1]);
  if (pid_ < 0) throw std::system_error{errno, std::generic_category(), "fork"};
  // Both sides set the group, so that it is set before either goes on.
  ::setpgid(pid_, pid_);
  reader_ = std::thread{[this] { ReadOutput(); }};
}

ServerProcess::~ServerProcess() {
  Stop();
  // Somebody the program started may have taken the pipe along; the group is dead by now, so the pipe ends.
  if (reader_.joinable()) reader_.join();
  ::close(input_);
  ::close(output_);
}

void ServerProcess::ReadOutput() {
  std::array<char, 4096> buffer{};
  for (;;) {
    auto const count = ::read(output_, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    {
      std::lock_guard<std::mutex> const lock{mutex_};
      if (count <= 0) {
        outputEnded_ = true;
      } else {
        text_.append(buffer.data(), static_cast<std::size_t>(count));
      }
    }
    changed_.notify_all();
    if (count <= 0) return;
  }
}

bool ServerProcess::HasEnded() const { return pid_ <= 0 || EndsWithin(pid_, std::chrono::milliseconds{0}); }

void ServerProcess::WaitUntilListening(std::uint16_t port) const {
  bool ended = false;
  bool const listens = Eventually([&] {
    ended = HasEnded();
    return ended || CanConnect(port);
  });
  if (!listens || ended) {
    throw std::runtime_error{
        command_.Arguments.front() + (ended ? " ended instead of listening: " : " does not listen: ") + Output()};
  }
}

bool ServerProcess::WaitForOutput(std::string_view text) const {
  std::unique_lock<std::mutex> lock{mutex_};
  return changed_.wait_for(lock, Event::Patience, [&] {
    return outputEnded_ || text_.find(text) != std::string::npos;
  }) && text_.find(text) != std::string::npos;
}

std::string ServerProcess::Output() const {
  std::lock_guard<std::mutex> const lock{mutex_};
  return text_;
}

void ServerProcess::Write(std::string_view text) const {
  while (!text.empty()) {
    auto const count = ::send(input_, text.data(), text.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) throw std::system_error{errno, std::generic_category(), "write to server"};
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

void ServerProcess::Stop() {
  if (pid_ <= 0) return;
  ::kill(pid_, command_.StopSignal);
  (void)EndsWithin(pid_, std::chrono::seconds{2});
  // The leader is not reaped yet, so the group's number is still its own.
  ::kill(-pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

}  // namespace mtlspop::test
