#include "system.hpp"

#include <windows.h>

#include <fcntl.h>
#include <io.h>
#include <process.h>
#include <shellapi.h>

#include <cstdint>
#include <cstdio>
#include <stdexcept>

#include "digest.hpp"
#include "encoding.hpp"
#include "utf16.hpp"

namespace mtlspop_emulator {
namespace {

constexpr unsigned StackSize = 512 * 1024;

struct ThreadStart {
  void (*Function)(void*);
  void* Argument;
};

unsigned __stdcall RunThread(void* start) {
  std::unique_ptr<ThreadStart> const owned(static_cast<ThreadStart*>(start));
  owned->Function(owned->Argument);
  return 0;
}

// Set by the console's signals, or at the end of standard input.
HANDLE ended = nullptr;

BOOL WINAPI HandleSignal(DWORD signal) {
  SetEvent(ended);
  if (signal != CTRL_C_EVENT && signal != CTRL_BREAK_EVENT) {
    // The process ends with this call's return, and the temporary folder would stay; the main thread ends it before.
    Sleep(INFINITE);
  }
  return TRUE;
}

void WatchStandardInput(void*) {
  char ignored[256];
  DWORD count = 0;
  while (ReadFile(GetStdHandle(STD_INPUT_HANDLE), ignored, sizeof ignored, &count, nullptr) && count > 0) {
  }
  SetEvent(ended);
}

}  // namespace

std::vector<std::string> Arguments(int, char**) {
  int count = 0;
  std::unique_ptr<wchar_t*, decltype(&LocalFree)> const wide(CommandLineToArgvW(GetCommandLineW(), &count), &LocalFree);
  std::vector<std::string> arguments;
  for (int i = 1; i < count; ++i) {
    arguments.push_back(Utf8Of(wide.get()[i]));
  }
  return arguments;
}

long ProcessId() { return static_cast<long>(GetCurrentProcessId()); }

// The temporary folder of a user of Windows is readable by nobody else.
std::filesystem::path MakeTemporaryFolder() {
  auto const path = std::filesystem::temp_directory_path() / ("mtlspop-emulator-" + HexEncode(RandomBytes(6)));
  std::error_code error;
  if (!std::filesystem::create_directory(path, error)) {
    throw std::runtime_error("cannot make the temporary folder " + path.u8string() + ": " + error.message());
  }
  return path;
}

bool StartThread(void (*function)(void*), void* argument) {
  auto start = std::make_unique<ThreadStart>(ThreadStart{function, argument});
  auto const thread =
      _beginthreadex(nullptr, StackSize, RunThread, start.get(), STACK_SIZE_PARAM_IS_A_RESERVATION, nullptr);
  if (thread == 0) {
    return false;
  }
  static_cast<void>(start.release());
  CloseHandle(reinterpret_cast<HANDLE>(thread));
  return true;
}

std::chrono::nanoseconds ThreadCpuTime() {
  FILETIME created{};
  FILETIME exited{};
  FILETIME kernel{};
  FILETIME user{};
  GetThreadTimes(GetCurrentThread(), &created, &exited, &kernel, &user);
  auto const ticks = [](FILETIME const& time) {
    return static_cast<std::int64_t>(time.dwHighDateTime) << 32 | static_cast<std::int64_t>(time.dwLowDateTime);
  };
  return std::chrono::nanoseconds((ticks(kernel) + ticks(user)) * 100);
}

void RaiseDescriptorLimit() {}

void KeepLineEnds() { _setmode(_fileno(stdout), _O_BINARY); }

void EndOutput() {
  std::fflush(stdout);
  int const nothing = _open("NUL", _O_WRONLY | _O_BINARY | _O_NOINHERIT);
  if (nothing >= 0) {
    _dup2(nothing, _fileno(stdout));
    _close(nothing);
  }
}

EndSignals::EndSignals() {
  ended = CreateEventW(nullptr, TRUE, FALSE, nullptr);
  if (ended == nullptr || !SetConsoleCtrlHandler(HandleSignal, TRUE)) {
    throw std::runtime_error("cannot wait for Ctrl+C");
  }
}

EndSignals::~EndSignals() { SetConsoleCtrlHandler(HandleSignal, FALSE); }

void EndSignals::Wait(bool watchStandardInput) const {
  if (watchStandardInput && !StartThread(WatchStandardInput, nullptr)) {
    throw std::runtime_error("cannot watch standard input");
  }
  WaitForSingleObject(ended, INFINITE);
}

}  // namespace mtlspop_emulator
