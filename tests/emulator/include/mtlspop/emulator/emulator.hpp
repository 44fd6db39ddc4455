#pragma once

/// @file
/// mtlspop-emulator for the tests of an application: starts it, leads this process to it, arms faults, tells what it saw.
///
/// @code
/// mtlspop::emulator::Emulator emulator;
/// emulator.LeadThisProcess();
/// // ... the application reads https://myvault.vault.azure.net/secrets/password ...
/// EXPECT_NE(emulator.Log("vault").find("\"status\":200"), std::string::npos);
/// @endcode
///
/// Needs nothing but the standard library and POSIX; answers are JSON texts, for whichever parser the tests have. With
/// GoogleTest, `fixture.hpp` is shorter.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#ifndef MTLSPOP_EMULATOR_PROGRAM
/// The program that is started. The CMake target `mtlspop::emulator` defines it as the path of the installed one.
#define MTLSPOP_EMULATOR_PROGRAM "mtlspop-emulator"
#endif

namespace mtlspop {
namespace emulator {

/// A running mtlspop-emulator. It ends with this object, and with this process at the latest.
///
/// Thread safety: control calls may be made from any thread; all else belongs to one.
class Emulator final {
 public:
  /// Names and values of environment variables.
  using Variables = std::vector<std::pair<std::string, std::string>>;

  /// Starts the program and waits until it serves, about a second.
  /// @param arguments options of mtlspop-emulator, such as {"--secret", "password=x"}; `mtlspop-emulator --help` has all.
  /// @param program a path, or a name that is looked for on PATH.
  /// @throw std::runtime_error where it cannot be started or does not serve; it has said why on standard error.
  explicit Emulator(
      std::vector<std::string> const& arguments = {}, std::string const& program = MTLSPOP_EMULATOR_PROGRAM);
  Emulator(Emulator const&) = delete;
  Emulator& operator=(Emulator const&) = delete;
  ~Emulator();

  /// What leads an application to the emulator, to be set for programs that a test starts.
  Variables const& Environment() const noexcept { return environment_; }
  /// Sets these variables in this process. Before the first use of the library: a transport reads them once. No other
  /// thread may read or change the environment meanwhile.
  void LeadThisProcess() const;

  /// http://127.0.0.1:port, where the control calls are; the page is there too.
  std::string const& ControlUrl() const noexcept { return control_; }
  /// A control call; the answer's body. For all that the functions below do not do.
  /// @param method for example "POST"
  /// @param target such as "/emulator/clock".
  /// @param body JSON; "" for none
  /// @throw std::runtime_error for every answer but 200, with what it says.
  std::string Control(std::string const& method, std::string const& target, std::string const& body = {}) const;

  /// @param fault JSON, for example {"service":"sts","fault":{"status":503}}: the next call of the token service fails.
  void ArmFault(std::string const& fault) const { Control("POST", "/emulator/faults", fault); }
  /// Takes all faults back and lets held calls go.
  void ClearFaults() const { Control("DELETE", "/emulator/faults"); }
  /// What was seen since the start or the last ClearLog(), as a JSON array; of one service ("imds", "sts", "vault", "blob",
  /// "attestation") or of all.
  std::string Log(std::string const& service = {}) const { return Control("GET", "/emulator/log?service=" + service); }
  /// Empties the log; the numbers of its entries go on.
  void ClearLog() const { Control("DELETE", "/emulator/log"); }
  /// Moves the emulator's time forward, so that its tokens and certificates expire.
  void AdvanceClock(std::int64_t seconds) const {
    Control("POST", "/emulator/clock", "{\"advance_seconds\":" + std::to_string(seconds) + "}");
  }

 private:
  void Start(std::vector<std::string> const& arguments, std::string const& program);
  void TakeEnvironment(std::string const& lines);
  void Stop() noexcept;

  pid_t process_ = -1;
  pid_t owner_ = -1;
  int standardInput_ = -1;  // The program ends when this closes.
  Variables environment_;
  std::string control_;
};

namespace detail {

class Descriptor final {
 public:
  explicit Descriptor(int value) : value_(value) {
    if (value < 0) throw std::system_error(errno, std::generic_category(), "mtlspop-emulator");
  }
  Descriptor(Descriptor const&) = delete;
  Descriptor& operator=(Descriptor const&) = delete;
  ~Descriptor() { Close(); }

  int Get() const noexcept { return value_; }
  int Release() noexcept { return std::exchange(value_, -1); }
  void Close() noexcept {
    if (value_ >= 0) close(std::exchange(value_, -1));
  }

 private:
  int value_;
};

inline std::string ReadToEnd(int descriptor) {
  std::string text;
  char part[4096];
  for (;;) {
    auto const size = read(descriptor, part, sizeof part);
    if (size > 0) {
      text.append(part, static_cast<std::size_t>(size));
    } else if (size == 0 || errno != EINTR) {
      return text;
    }
  }
}

// Connected to "http://127.0.0.1:port", with a time limit on every wait.
inline int ConnectTo(std::string const& url) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  auto const authority = url.substr(url.find("//") + 2);
  auto const colon = authority.find(':');
  address.sin_port = htons(static_cast<std::uint16_t>(std::stoul(authority.substr(colon + 1))));
  inet_pton(AF_INET, authority.substr(0, colon).c_str(), &address.sin_addr);
  Descriptor connection{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  timeval const limit{30, 0};
  setsockopt(connection.Get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(connection.Get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (connect(connection.Get(), reinterpret_cast<sockaddr const*>(&address), sizeof address) != 0) {
    throw std::system_error(errno, std::generic_category(), "mtlspop-emulator at " + url);
  }
  return connection.Release();
}

inline void SendAll(int connection, std::string const& bytes) {
  for (std::size_t sent = 0; sent < bytes.size();) {
    auto const size = send(connection, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (size < 0 && errno != EINTR) throw std::system_error(errno, std::generic_category(), "mtlspop-emulator");
    if (size > 0) sent += static_cast<std::size_t>(size);
  }
}

}  // namespace detail

inline Emulator::Emulator(std::vector<std::string> const& arguments, std::string const& program) {
  Start(arguments, program);
}

inline Emulator::~Emulator() { Stop(); }

inline void Emulator::Start(std::vector<std::string> const& arguments, std::string const& program) {
  int input[2];
  int output[2];
  if (pipe2(input, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "mtlspop-emulator");
  detail::Descriptor theirInput{input[0]};
  detail::Descriptor ourInput{input[1]};
  if (pipe2(output, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "mtlspop-emulator");
  detail::Descriptor const ourOutput{output[0]};
  detail::Descriptor theirOutput{output[1]};

  std::vector<std::string> words{program, "--print-env", "--exit-with-stdin"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(&word[0]);
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, theirInput.Get(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, theirOutput.Get(), STDOUT_FILENO);
  int const failure = posix_spawnp(&process_, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failure != 0) {
    process_ = -1;
    throw std::system_error(failure, std::generic_category(), "cannot start " + program);
  }
  owner_ = getpid();
  standardInput_ = ourInput.Release();
  theirInput.Close();
  theirOutput.Close();
  TakeEnvironment(detail::ReadToEnd(ourOutput.Get()));
  if (control_.empty()) {
    Stop();
    throw std::runtime_error(program + " did not start; what it says is on standard error");
  }
}

// Lines of the form export NAME='value'; no value has a quote in it but the path of a temporary folder might.
inline void Emulator::TakeEnvironment(std::string const& lines) {
  std::string const prefix = "export ";
  std::string const quote = "'\\''";
  for (std::size_t start = 0; start < lines.size();) {
    auto const end = lines.find('\n', start);
    auto const line = lines.substr(start, end - start);
    start = end == std::string::npos ? lines.size() : end + 1;
    auto const equals = line.find("='");
    if (line.compare(0, prefix.size(), prefix) != 0 || equals == std::string::npos || line.back() != '\'') continue;
    auto const name = line.substr(prefix.size(), equals - prefix.size());
    auto value = line.substr(equals + 2, line.size() - equals - 3);
    for (auto at = value.find(quote); at != std::string::npos; at = value.find(quote, at + 1)) {
      value.replace(at, quote.size(), "'");
    }
    if (name == "MTLSPOP_EMULATOR_CONTROL") control_ = value;
    environment_.emplace_back(name, value);
  }
}

inline void Emulator::LeadThisProcess() const {
  for (auto const& variable : environment_) {
    if (setenv(variable.first.c_str(), variable.second.c_str(), 1) != 0) {
      throw std::system_error(errno, std::generic_category(), "setenv " + variable.first);
    }
  }
}

inline std::string Emulator::Control(
    std::string const& method, std::string const& target, std::string const& body) const {
  detail::Descriptor const connection{detail::ConnectTo(control_)};
  detail::SendAll(
      connection.Get(), method + " " + target + " HTTP/1.1\r\nHost: " + control_.substr(control_.find("//") + 2) +
                            "\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
                            body);
  auto const answer = detail::ReadToEnd(connection.Get());
  auto const end = answer.find("\r\n\r\n");
  if (end == std::string::npos) throw std::runtime_error("mtlspop-emulator gave no answer to " + method + " " + target);
  auto text = answer.substr(end + 4);
  if (answer.compare(0, 13, "HTTP/1.1 200 ") != 0) {
    throw std::runtime_error(
        "mtlspop-emulator refused " + method + " " + target + ": " + answer.substr(0, answer.find("\r\n")) + ", " +
        text);
  }
  return text;
}

// A child that fork() made has a copy of this object, but the program is not its own.
inline void Emulator::Stop() noexcept {
  if (process_ < 0 || owner_ != getpid()) return;
  close(standardInput_);
  kill(process_, SIGTERM);
  while (waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
  }
  process_ = -1;
}

}  // namespace emulator
}  // namespace mtlspop
