// What the emulator asks of the system besides sockets: posix/system.cpp and windows/system.cpp do it.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace mtlspop_emulator {

// The arguments behind the program's name, in UTF-8 on Windows.
std::vector<std::string> Arguments(int argc, char** argv);

long ProcessId();

// A new folder that only this user can read. Throws std::runtime_error.
std::filesystem::path MakeTemporaryFolder();

// Runs the function in a thread that nobody waits for, on a small stack, since there may be thousands. False where there
// is no room for one more.
bool StartThread(void (*function)(void*), void* argument);

// Of the calling thread.
std::chrono::nanoseconds ThreadCpuTime();

// Room for a socket for each connection, where the system starts programs with less than they may have.
void RaiseDescriptorLimit();

// Writes standard output as it is: a line ends with "\n" everywhere.
void KeepLineEnds();

// Leaves standard output to whoever else has it, so that its reader comes to the end while the emulator serves.
void EndOutput();

// SIGTERM and SIGINT; on Windows Ctrl+C, Ctrl+Break and the console's end.
class EndSignals {
 public:
  // Before the first thread is started. One object in a process. Throws std::runtime_error.
  EndSignals();
  EndSignals(EndSignals const&) = delete;
  EndSignals& operator=(EndSignals const&) = delete;
  ~EndSignals();

  // Until one of them comes or, where it is watched, standard input ends.
  void Wait(bool watchStandardInput) const;
};

}  // namespace mtlspop_emulator
