#include "support/server_process.hpp"

#include <windows.h>

#include <array>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <system_error>

#include "mtlspop/base/windows/wide_text.hpp"

namespace mtlspop::test {
namespace {

[[noreturn]] void ThrowLastError(std::string const& what) {
  auto const reason = static_cast<int>(GetLastError());
  throw std::runtime_error(what + ": " + std::system_category().message(reason));
}

/// Closes itself.
class Handle final {
 public:
  Handle() = default;
  ~Handle() { Close(); }
  Handle(Handle const&) = delete;
  Handle& operator=(Handle const&) = delete;

  void Close() {
    if (value_ != nullptr) CloseHandle(value_);
    value_ = nullptr;
  }
  HANDLE Get() const noexcept { return value_; }
  HANDLE* Put() noexcept { return &value_; }

 private:
  HANDLE value_ = nullptr;
};

/// A pipe of which the program inherits one end.
void MakePipe(Handle& forProgram, Handle& own, bool isProgramReading) {
  SECURITY_ATTRIBUTES inherited{sizeof inherited, nullptr, TRUE};
  auto* const reading = isProgramReading ? forProgram.Put() : own.Put();
  auto* const writing = isProgramReading ? own.Put() : forProgram.Put();
  if (!CreatePipe(reading, writing, &inherited, 0)) ThrowLastError("CreatePipe");
  if (!SetHandleInformation(own.Get(), HANDLE_FLAG_INHERIT, 0)) ThrowLastError("SetHandleInformation");
}

std::wstring CommandLine(std::vector<std::string> const& arguments) {
  std::wstring line;
  for (auto const& argument : arguments) line += (line.empty() ? L"\"" : L" \"") + Widen(argument) + L"\"";
  return line;
}

}  // namespace

struct ServerProcess::Handles {
  Handle Job;
  Handle Process;
  Handle Input;
  Handle Output;
};

ServerProcess::ServerProcess(ServerCommand const& command) : handles_(std::make_unique<Handles>()) {
  // The program ends with the job's last handle.
  *handles_->Job.Put() = CreateJobObjectW(nullptr, nullptr);
  if (handles_->Job.Get() == nullptr) ThrowLastError("CreateJobObject");
  JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits{};
  limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
  SetInformationJobObject(handles_->Job.Get(), JobObjectExtendedLimitInformation, &limits, sizeof limits);

  Handle itsInput;
  Handle itsOutput;
  MakePipe(itsInput, handles_->Input, true);
  MakePipe(itsOutput, handles_->Output, false);
  STARTUPINFOW startup{};
  startup.cb = sizeof startup;
  startup.dwFlags = STARTF_USESTDHANDLES;
  startup.hStdInput = itsInput.Get();
  startup.hStdOutput = itsOutput.Get();
  startup.hStdError = itsOutput.Get();
  PROCESS_INFORMATION started{};
  auto line = CommandLine(command.Arguments);
  if (!CreateProcessW(
          nullptr, line.data(), nullptr, nullptr, TRUE, CREATE_SUSPENDED, nullptr, nullptr, &startup, &started)) {
    ThrowLastError("cannot start " + command.Arguments.front());
  }
  *handles_->Process.Put() = started.hProcess;
  AssignProcessToJobObject(handles_->Job.Get(), started.hProcess);
  ResumeThread(started.hThread);
  CloseHandle(started.hThread);
}

ServerProcess::~ServerProcess() {
  constexpr std::chrono::milliseconds Patience{10'000};
  handles_->Input.Close();
  // Whatever it still says must not hold it up.
  handles_->Output.Close();
  if (WaitForSingleObject(handles_->Process.Get(), static_cast<DWORD>(Patience.count())) != WAIT_OBJECT_0) {
    TerminateProcess(handles_->Process.Get(), 1);
  }
}

bool ServerProcess::WaitForOutput(std::string_view text) {
  while (text_.find(text) == std::string::npos) {
    std::array<char, 4096> piece{};
    DWORD count = 0;
    if (!ReadFile(handles_->Output.Get(), piece.data(), static_cast<DWORD>(piece.size()), &count, nullptr))
      return false;
    text_.append(piece.data(), count);
  }
  return true;
}

}  // namespace mtlspop::test
