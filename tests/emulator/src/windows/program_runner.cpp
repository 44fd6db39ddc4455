#include "program_runner.hpp"

#include <windows.h>

#include <cstdio>
#include <map>
#include <stdexcept>
#include <system_error>

#include "system.hpp"
#include "utf16.hpp"

namespace mtlspop_emulator {
namespace {

HANDLE ended = nullptr;

// The program has the same console, and gets what the console sends by itself.
BOOL WINAPI HandleSignal(DWORD) {
  SetEvent(ended);
  return TRUE;
}

// As CommandLineToArgvW and every C runtime take it apart again.
std::wstring Quoted(std::wstring const& argument) {
  if (!argument.empty() && argument.find_first_of(L" \t\n\v\"") == std::wstring::npos) {
    return argument;
  }
  std::wstring quoted = L"\"";
  std::size_t backslashes = 0;
  for (wchar_t const c : argument) {
    if (c == L'"') {
      quoted.append(backslashes + 1, L'\\');
    }
    backslashes = c == L'\\' ? backslashes + 1 : 0;
    quoted += c;
  }
  quoted.append(backslashes, L'\\');
  return quoted + L'"';
}

struct IgnoringCase {
  bool operator()(std::wstring const& a, std::wstring const& b) const {
    return CompareStringOrdinal(a.c_str(), -1, b.c_str(), -1, TRUE) == CSTR_LESS_THAN;
  }
};

// This process's environment with the variables in the place of those of the same name, whatever their case: sorted, each
// ended by a null, and all by one more.
std::wstring EnvironmentWith(Variables const& variables) {
  std::map<std::wstring, std::wstring, IgnoringCase> all;
  std::unique_ptr<wchar_t, decltype(&FreeEnvironmentStringsW)> const block(
      GetEnvironmentStringsW(), &FreeEnvironmentStringsW);
  for (wchar_t const* entry = block.get(); *entry != L'\0';) {
    std::wstring const text = entry;
    entry += text.size() + 1;
    auto const equals = text.find(L'=', 1);
    if (equals != std::wstring::npos) {
      all[text.substr(0, equals)] = text.substr(equals + 1);
    }
  }
  for (auto const& [name, value] : variables) {
    all[Utf16Of(name)] = Utf16Of(value);
  }
  std::wstring lines;
  for (auto const& [name, value] : all) {
    lines.append(name).append(L"=").append(value).append(1, L'\0');
  }
  return lines + L'\0';
}

// A job that ends its process with the last handle: with this process, however that ends. What the program itself starts
// is not in it.
HANDLE MakeJob() {
  HANDLE const job = CreateJobObjectW(nullptr, nullptr);
  JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits{};
  limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE | JOB_OBJECT_LIMIT_SILENT_BREAKAWAY_OK;
  SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits, sizeof limits);
  return job;
}

bool IsMissing(DWORD reason) {
  return reason == ERROR_FILE_NOT_FOUND || reason == ERROR_PATH_NOT_FOUND || reason == ERROR_INVALID_NAME;
}

}  // namespace

struct ProgramRunner::Kept {
  HANDLE Job = MakeJob();
};

ProgramRunner::ProgramRunner() : _kept(std::make_unique<Kept>()) {
  ended = CreateEventW(nullptr, TRUE, FALSE, nullptr);
  if (ended == nullptr || !SetConsoleCtrlHandler(HandleSignal, TRUE)) {
    throw std::runtime_error("cannot wait for Ctrl+C");
  }
}

ProgramRunner::~ProgramRunner() { CloseHandle(_kept->Job); }

int ProgramRunner::Run(std::vector<std::string> const& command, Variables const& environment) const {
  std::wstring line;
  for (auto const& argument : command) {
    line += (line.empty() ? L"" : L" ") + Quoted(Utf16Of(argument));
  }
  auto block = EnvironmentWith(environment);
  STARTUPINFOW startup{};
  startup.cb = sizeof startup;
  PROCESS_INFORMATION child{};
  // Its standard handles are this process's.
  if (!CreateProcessW(
          nullptr, line.data(), nullptr, nullptr, TRUE, CREATE_UNICODE_ENVIRONMENT | CREATE_SUSPENDED, block.data(),
          nullptr, &startup, &child)) {
    auto const reason = GetLastError();
    std::fprintf(
        stderr, "mtlspop-emulator: cannot run %s: %s\n", command[0].c_str(),
        std::system_category().message(static_cast<int>(reason)).c_str());
    return IsMissing(reason) ? 127 : 126;
  }
  AssignProcessToJobObject(_kept->Job, child.hProcess);
  ResumeThread(child.hThread);
  CloseHandle(child.hThread);
  EndOutput();
  WaitForSingleObject(child.hProcess, INFINITE);
  DWORD status = 1;
  GetExitCodeProcess(child.hProcess, &status);
  CloseHandle(child.hProcess);
  // A Ctrl+C that was the program's does not end the serving behind it.
  ResetEvent(ended);
  return static_cast<int>(status);
}

void ProgramRunner::WaitForEnd() const { WaitForSingleObject(ended, INFINITE); }

}  // namespace mtlspop_emulator
