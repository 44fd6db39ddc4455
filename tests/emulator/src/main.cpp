#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "emulator.hpp"
#include "options.hpp"
#include "program_runner.hpp"
#include "system.hpp"

namespace {

int Serve(mtlspop_emulator::Options const& options) {
  mtlspop_emulator::EndSignals const signals;
  mtlspop_emulator::RaiseDescriptorLimit();
  mtlspop_emulator::Emulator const emulator(options);
  if (options.PrintEnvironment) {
    auto variables = emulator.Environment();
    variables.emplace_back("MTLSPOP_EMULATOR_PID", std::to_string(mtlspop_emulator::ProcessId()));
    std::fputs(mtlspop_emulator::ExportLines(variables).c_str(), stdout);
    mtlspop_emulator::EndOutput();
  } else {
    std::printf("%s\n", emulator.StartupLine().c_str());
    std::fflush(stdout);
  }
  signals.Wait(options.ExitWithStdin);
  return 0;
}

int RunProgram(mtlspop_emulator::Options const& options) {
  mtlspop_emulator::ProgramRunner const runner;
  mtlspop_emulator::RaiseDescriptorLimit();
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
    mtlspop_emulator::KeepLineEnds();
    auto const options = mtlspop_emulator::ParseOptions(mtlspop_emulator::Arguments(argc, argv));
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
