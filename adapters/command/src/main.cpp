#if defined(_WIN32)
#include <io.h>
#else
#include <unistd.h>
#endif

#include <csignal>
#include <iostream>

#include "command_line.hpp"

namespace {

bool IsTerminal(int descriptor) {
#if defined(_WIN32)
  return _isatty(descriptor) != 0;
#else
  return isatty(descriptor) != 0;
#endif
}

}  // namespace

int main(int argc, char** argv) {
#if !defined(_WIN32)
  // A reader that has gone is an error of the write, with a text and a status.
  std::signal(SIGPIPE, SIG_IGN);
#endif
  std::ios::sync_with_stdio(false);
  mtlspop::command::Terminal terminal{std::cin, std::cout, std::cerr, IsTerminal(1), IsTerminal(2)};
  auto const status = mtlspop::command::Main({argv + 1, argv + argc}, terminal);
  std::cout.flush();
  return status == 0 && !std::cout ? static_cast<int>(mtlspop::command::ExitCode::WriteFailed) : status;
}
