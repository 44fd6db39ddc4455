#include <iostream>

#include "command_line.hpp"
#include "platform.hpp"

int main(int argc, char** argv) {
  using namespace mtlspop::command;
  ReportBrokenPipes();
  std::ios::sync_with_stdio(false);
  Terminal terminal{std::cin, std::cout, std::cerr, IsTerminal(1), IsTerminal(2)};
  auto const status = Main({argv + 1, argv + argc}, terminal);
  std::cout.flush();
  return status == 0 && !std::cout ? static_cast<int>(ExitCode::WriteFailed) : status;
}
