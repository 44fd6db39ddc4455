// The emulator, started as its users start it.
#pragma once

#include <sys/types.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace emulator_test {

class EmulatorProcess {
 public:
  // Starts the program with these arguments and waits for its startup line.
  explicit EmulatorProcess(std::vector<std::string> arguments = {});
  EmulatorProcess(EmulatorProcess const&) = delete;
  EmulatorProcess& operator=(EmulatorProcess const&) = delete;
  ~EmulatorProcess();

  nlohmann::json const& Startup() const { return _startup; }
  // The address:port of a service: imds, sts, vault, attestation, control.
  std::string Authority(std::string const& service) const;
  // The identity of that name in the startup line.
  nlohmann::json Identity(std::string const& name) const;

  // A control call; fails the test where it is refused.
  nlohmann::json Control(std::string const& method, std::string const& target, nlohmann::json const& body = nullptr);
  void ArmFault(nlohmann::json const& description) { Control("POST", "/emulator/faults", description); }
  nlohmann::json Log(std::string const& service);

  void Signal(int number);
  void CloseStdin();
  // Waits for the end; the exit status, or -1 where a signal ended it.
  int Wait();

 private:
  pid_t _pid = -1;
  int _stdin = -1;
  nlohmann::json _startup;
};

// Runs the program to its end and returns its exit status.
int RunEmulator(std::vector<std::string> const& arguments);

// The program with its output read by the test. Its standard input is empty.
class ReadProgram {
 public:
  explicit ReadProgram(std::vector<std::string> const& arguments);
  ReadProgram(ReadProgram const&) = delete;
  ReadProgram& operator=(ReadProgram const&) = delete;
  ~ReadProgram();

  // The next line of its output, without the end of the line.
  std::string ReadLine();
  // The rest of its output.
  std::string ReadToEnd();
  void Signal(int number);
  // Waits for the end; the exit status, or -1 where a signal ended it.
  int Wait();

 private:
  pid_t _pid = -1;
  int _output = -1;
};

}  // namespace emulator_test
