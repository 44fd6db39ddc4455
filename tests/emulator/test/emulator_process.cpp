#include "emulator_process.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <stdexcept>

#include "test_connection.hpp"

namespace emulator_test {
namespace {

struct Pipe {
  Pipe() {
    if (pipe2(Ends, O_CLOEXEC) != 0) {
      throw std::runtime_error("no pipe");
    }
  }
  int Ends[2];
};

pid_t Spawn(std::vector<std::string> const& arguments, int stdinEnd, int stdoutEnd) {
  std::vector<char*> argv = {const_cast<char*>(MTLSPOP_EMULATOR_PROGRAM)};
  for (auto const& argument : arguments) {
    argv.push_back(const_cast<char*>(argument.c_str()));
  }
  argv.push_back(nullptr);
  pid_t const pid = fork();
  if (pid == 0) {
    dup2(stdinEnd, STDIN_FILENO);
    dup2(stdoutEnd, STDOUT_FILENO);
    execv(argv[0], argv.data());
    _exit(127);
  }
  return pid;
}

std::string ReadLine(int descriptor) {
  std::string line;
  char c = 0;
  while (read(descriptor, &c, 1) == 1 && c != '\n') {
    line += c;
  }
  return line;
}

int StatusOf(pid_t pid) {
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

EmulatorProcess::EmulatorProcess(std::vector<std::string> arguments) {
  std::signal(SIGPIPE, SIG_IGN);
  arguments.insert(arguments.begin(), "--exit-with-stdin");
  Pipe const input;
  Pipe const output;
  _pid = Spawn(arguments, input.Ends[0], output.Ends[1]);
  close(input.Ends[0]);
  close(output.Ends[1]);
  _stdin = input.Ends[1];
  _startup = nlohmann::json::parse(ReadLine(output.Ends[0]), nullptr, false);
  close(output.Ends[0]);
  if (!_startup.is_object()) {
    throw std::runtime_error("the emulator did not start");
  }
}

EmulatorProcess::~EmulatorProcess() {
  CloseStdin();
  if (_pid >= 0) {
    // Whatever a sanitizer found in the emulator shows here.
    EXPECT_EQ(Wait(), 0) << "the emulator's exit status";
  }
}

std::string EmulatorProcess::Authority(std::string const& service) const {
  auto const url = _startup.at(service).get<std::string>();
  return url.substr(url.find("//") + 2);
}

nlohmann::json EmulatorProcess::Identity(std::string const& name) const {
  for (auto const& identity : _startup.at("identities")) {
    if (identity.at("name") == name) {
      return identity;
    }
  }
  throw std::runtime_error("no identity " + name);
}

nlohmann::json EmulatorProcess::Control(
    std::string const& method, std::string const& target, nlohmann::json const& body) {
  TestConnection connection(Authority("control"));
  auto const answer = connection.Call({method, target, {}, body.is_null() ? "" : body.dump()});
  EXPECT_EQ(answer.Status, 200U) << target << ": " << answer.Body;
  return nlohmann::json::parse(answer.Body, nullptr, false);
}

nlohmann::json EmulatorProcess::Log(std::string const& service) {
  return Control("GET", "/emulator/log?service=" + service);
}

void EmulatorProcess::Signal(int number) { kill(_pid, number); }

void EmulatorProcess::CloseStdin() {
  if (_stdin >= 0) {
    close(_stdin);
    _stdin = -1;
  }
}

int EmulatorProcess::Wait() {
  if (_pid < 0) {
    return -1;
  }
  int const status = StatusOf(_pid);
  _pid = -1;
  return status;
}

int RunEmulator(std::vector<std::string> const& arguments) {
  int const nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  pid_t const pid = Spawn(arguments, nothing, nothing);
  close(nothing);
  return StatusOf(pid);
}

ReadProgram::ReadProgram(std::vector<std::string> const& arguments) {
  int const nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  Pipe const output;
  _pid = Spawn(arguments, nothing, output.Ends[1]);
  close(nothing);
  close(output.Ends[1]);
  _output = output.Ends[0];
}

ReadProgram::~ReadProgram() {
  close(_output);
  if (_pid >= 0) {
    kill(_pid, SIGKILL);
    StatusOf(_pid);
  }
}

std::string ReadProgram::ReadLine() { return emulator_test::ReadLine(_output); }

std::string ReadProgram::ReadToEnd() {
  std::string text;
  char part[4096];
  for (ssize_t size = 0; (size = read(_output, part, sizeof part)) > 0;) {
    text.append(part, static_cast<std::size_t>(size));
  }
  return text;
}

void ReadProgram::Signal(int number) { kill(_pid, number); }

int ReadProgram::Wait() {
  int const status = StatusOf(_pid);
  _pid = -1;
  return status;
}

}  // namespace emulator_test
