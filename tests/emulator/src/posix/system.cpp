#include "system.hpp"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

namespace mtlspop_emulator {
namespace {

// Sanitizers need room for their red zones.
constexpr std::size_t StackSize = 512 * 1024;

struct ThreadStart {
  void (*Function)(void*);
  void* Argument;
};

void* RunThread(void* start) {
  std::unique_ptr<ThreadStart> const owned(static_cast<ThreadStart*>(start));
  owned->Function(owned->Argument);
  return nullptr;
}

int wakeUp[2];

extern "C" void HandleSignal(int) {
  char const byte = 0;
  static_cast<void>(!write(wakeUp[1], &byte, 1));
}

}  // namespace

std::vector<std::string> Arguments(int argc, char** argv) { return {argv + 1, argv + argc}; }

long ProcessId() { return getpid(); }

std::filesystem::path MakeTemporaryFolder() {
  auto pattern = (std::filesystem::temp_directory_path() / "mtlspop-emulator-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) {
    throw std::runtime_error("cannot make a temporary folder");
  }
  return pattern;
}

bool StartThread(void (*function)(void*), void* argument) {
  auto start = std::make_unique<ThreadStart>(ThreadStart{function, argument});
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, StackSize);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_t thread{};
  bool const started = pthread_create(&thread, &attributes, RunThread, start.get()) == 0;
  pthread_attr_destroy(&attributes);
  if (started) {
    static_cast<void>(start.release());
  }
  return started;
}

std::chrono::nanoseconds ThreadCpuTime() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

// Many systems start programs with room for 1024.
void RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
}

void KeepLineEnds() {}

void EndOutput() {
  std::fflush(stdout);
  int const nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (nothing >= 0) {
    dup2(nothing, STDOUT_FILENO);
    close(nothing);
  }
}

EndSignals::EndSignals() {
  if (pipe2(wakeUp, O_CLOEXEC) != 0) {
    throw std::runtime_error(std::string("pipe: ") + std::strerror(errno));
  }
  struct sigaction action {};
  action.sa_handler = HandleSignal;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  // OpenSSL writes to sockets without MSG_NOSIGNAL.
  std::signal(SIGPIPE, SIG_IGN);
}

// The handler may still be called while the process ends: the pipe stays.
EndSignals::~EndSignals() = default;

void EndSignals::Wait(bool watchStandardInput) const {
  pollfd watched[2] = {{wakeUp[0], POLLIN, 0}, {watchStandardInput ? STDIN_FILENO : -1, POLLIN, 0}};
  for (;;) {
    if (poll(watched, 2, -1) <= 0) {
      continue;
    }
    if (watched[0].revents != 0) {
      return;
    }
    char ignored[256];
    if (watched[1].revents != 0 && read(STDIN_FILENO, ignored, sizeof ignored) <= 0) {
      return;
    }
  }
}

}  // namespace mtlspop_emulator
