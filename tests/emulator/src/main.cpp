#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "emulator.hpp"
#include "options.hpp"
#include "program_runner.hpp"

namespace {

int wakeUp[2];

extern "C" void HandleSignal(int) {
  char const byte = 0;
  static_cast<void>(!write(wakeUp[1], &byte, 1));
}

bool PrepareSignals() {
  if (pipe2(wakeUp, O_CLOEXEC) != 0) {
    return false;
  }
  struct sigaction action {};
  action.sa_handler = HandleSignal;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  // OpenSSL writes to sockets without MSG_NOSIGNAL.
  std::signal(SIGPIPE, SIG_IGN);
  return true;
}

// A descriptor for each connection; many systems start programs with room for 1024.
void RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
}

void WaitForEnd(bool watchStdin) {
  pollfd watched[2] = {{wakeUp[0], POLLIN, 0}, {watchStdin ? STDIN_FILENO : -1, POLLIN, 0}};
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

int Serve(mtlspop_emulator::Options const& options) {
  if (!PrepareSignals()) {
    std::perror("mtlspop-emulator: pipe");
    return 1;
  }
  RaiseDescriptorLimit();
  mtlspop_emulator::Emulator const emulator(options);
  if (options.PrintEnvironment) {
    auto variables = emulator.Environment();
    variables.emplace_back("MTLSPOP_EMULATOR_PID", std::to_string(getpid()));
    std::fputs(mtlspop_emulator::ExportLines(variables).c_str(), stdout);
    mtlspop_emulator::EndOutput();
  } else {
    std::printf("%s\n", emulator.StartupLine().c_str());
    std::fflush(stdout);
  }
  WaitForEnd(options.ExitWithStdin);
  return 0;
}

int RunProgram(mtlspop_emulator::Options const& options) {
  mtlspop_emulator::ProgramRunner const runner;
  RaiseDescriptorLimit();
  mtlspop_emulator::Emulator const emulator(options);
  if (!options.Quiet) {
    std::fprintf(stderr, "mtlspop-emulator: the page is at %s/\n", emulator.ControlUrl().c_str());
  }
  int const status = runner.Run(options.Program, emulator.Environment());
  if (options.KeepServing) {
    std::fprintf(stderr, "mtlspop-emulator: the program ended with %d; serving until Ctrl+C\n", status);
    runner.WaitForEnd();
  }
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    auto const options = mtlspop_emulator::ParseOptions(std::vector<std::string>(argv + 1, argv + argc));
    if (options.ShowHelp) {
      std::fputs(mtlspop_emulator::HelpText().c_str(), stdout);
      return 0;
    }
    return options.Program.empty() ? Serve(options) : RunProgram(options);
  } catch (mtlspop_emulator::OptionError const& error) {
    std::fprintf(stderr, "mtlspop-emulator: %s\n", error.what());
    return 2;
  } catch (std::exception const& error) {
    std::fprintf(stderr, "mtlspop-emulator: %s\n", error.what());
    return 1;
  }
}
