#include "command_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <set>
#include <stdexcept>

#include "support/secret_search.hpp"

namespace mtlspop::test {
namespace {

constexpr int PatienceMs = 30'000;

struct Pipe {
  Pipe() {
    if (::pipe2(Ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  }
  int Ends[2]{};
};

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (auto& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

RunningCommand::RunningCommand(CommandStart start) : toWrite_(std::move(start.Input)) {
  start.Arguments.insert(start.Arguments.begin(), start.Program);
  start.Environment.insert(start.Environment.begin(), std::string{"PATH="} + std::getenv("PATH"));
  auto const arguments = Pointers(start.Arguments);
  auto const environment = Pointers(start.Environment);
  Pipe in;
  Pipe out;
  Pipe error;
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("no process");
  if (pid_ == 0) {
    ::setpgid(0, 0);
    ::dup2(in.Ends[0], 0);
    ::dup2(out.Ends[1], 1);
    ::dup2(error.Ends[1], 2);
    ::execve(arguments[0], arguments.data(), environment.data());
    ::_exit(99);
  }
  ::setpgid(pid_, pid_);
  for (int const end : {in.Ends[0], out.Ends[1], error.Ends[1]}) ::close(end);
  input_ = in.Ends[1];
  out_ = out.Ends[0];
  error_ = error.Ends[0];
  ::fcntl(input_, F_SETFL, O_NONBLOCK);
  ::signal(SIGPIPE, SIG_IGN);
}

RunningCommand::~RunningCommand() {
  ::kill(-pid_, SIGKILL);
  if (result_.Status < 0) ::waitpid(pid_, nullptr, 0);
  for (int const end : {input_, out_, error_}) {
    if (end >= 0) ::close(end);
  }
}

bool RunningCommand::ReadSome() {
  if (input_ >= 0 && toWrite_.empty()) {
    ::close(input_);
    input_ = -1;
  }
  std::array<pollfd, 3> ends{{{out_, POLLIN, 0}, {error_, POLLIN, 0}, {input_, POLLOUT, 0}}};
  if (::poll(ends.data(), ends.size(), PatienceMs) <= 0) return false;
  auto const read = [](int& end, short happened, std::string& text) {
    if (happened == 0) return;
    std::array<char, 65536> piece{};
    auto const count = ::read(end, piece.data(), piece.size());
    if (count > 0) {
      text.append(piece.data(), static_cast<std::size_t>(count));
    } else {
      ::close(end);
      end = -1;
    }
  };
  read(out_, ends[0].revents, result_.Out);
  read(error_, ends[1].revents, result_.Error);
  if (ends[2].revents != 0) {
    auto const count = ::write(input_, toWrite_.data(), toWrite_.size());
    toWrite_.erase(0, count < 0 ? toWrite_.size() : static_cast<std::size_t>(count));
  }
  return out_ >= 0 || error_ >= 0;
}

bool RunningCommand::WaitForOutput(std::string const& text) {
  while (result_.Out.find(text) == std::string::npos) {
    if (!ReadSome()) return false;
  }
  return true;
}

CommandResult RunningCommand::Wait() {
  while (ReadSome()) {
  }
  if (out_ >= 0 || error_ >= 0) ::kill(-pid_, SIGKILL);  // it took too long
  int status = 0;
  ::waitpid(pid_, &status, 0);
  result_.Status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return result_;
}

CommandResult RunCommand(CommandStart start) { return RunningCommand{std::move(start)}.Wait(); }

CommandTest::CommandTest(std::vector<std::string> arguments)
    : emulator_([&] {
        arguments.push_back("--record-secrets");
        return std::move(arguments);
      }()) {}

std::vector<std::string> CommandTest::Environment() const {
  std::string overrides;
  for (auto const& place : emulator_.MakeTransportOptions().ConnectOverrides) {
    overrides += (overrides.empty() ? "" : ",") + place.From + "=" + place.To;
  }
  return {
      "MTLSPOP_CA_FILE=" + emulator_.Startup().at("ca_file").get<std::string>(),
      "MTLSPOP_CONNECT_OVERRIDES=" + overrides, "AZURE_POD_IDENTITY_AUTHORITY_HOST=" + emulator_.ImdsEndpoint()};
}

CommandResult CommandTest::Run(std::vector<std::string> arguments, std::string input) const {
  return RunCommand({std::move(arguments), Environment(), std::move(input)});
}

std::string CommandTest::VaultUrl(std::string const& name) const {
  return "https://" + emulator_.Startup().at("vault_host").get<std::string>() + "/secrets/" + name + "?api-version=7.4";
}

std::string CommandTest::BlobUrl(std::string const& path) const {
  return "https://" + emulator_.Startup().at("blob_host").get<std::string>() + path;
}

std::set<std::string> CommandTest::SecretsIn(std::string const& text) const {
  SecretSearch search;
  for (auto const& secret : emulator_.Get("wire-secrets")) {
    search.Add(secret.at("kind"), secret.at("value").get<std::string>());
  }
  return search.KindsIn(text);
}

}  // namespace mtlspop::test
