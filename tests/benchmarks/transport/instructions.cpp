#include "transport/instructions.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <stdexcept>

namespace mtlspop::bench {
namespace {

constexpr int Few = 50;
constexpr int Many = 550;

/// Instructions of a whole run with `count` requests.
double CountRun(std::string const& client, Scenario const& scenario, int count) {
  auto const self = std::filesystem::read_symlink("/proc/self/exe").string();
  std::string const command = "valgrind --tool=callgrind --callgrind-out-file=/dev/null '" + self + "' --loop " +
                              client + " " + std::to_string(count) + " " + std::to_string(scenario.Port) + " '" +
                              scenario.CaFile + "' '" + scenario.CertificateFile + "' '" + scenario.PrivateKeyFile +
                              "' 2>&1";
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> const output{::popen(command.c_str(), "r"), &::pclose};
  char line[512];
  while (output && std::fgets(line, sizeof line, output.get()) != nullptr) {
    if (char const* const collected = std::strstr(line, "Collected : ")) {
      return std::strtod(collected + std::strlen("Collected : "), nullptr);
    }
  }
  throw std::runtime_error("callgrind counted nothing");
}

}  // namespace

std::optional<double> CountInstructions(std::string const& client, Scenario const& scenario) {
  if (std::system("command -v valgrind >/dev/null 2>&1") != 0) {
    return std::nullopt;
  }
  return (CountRun(client, scenario, Many) - CountRun(client, scenario, Few)) / (Many - Few);
}

int RunLoop(std::vector<std::string> const& arguments) {
  if (arguments.size() != 7) {
    throw std::runtime_error("--loop CLIENT COUNT PORT CA CERTIFICATE KEY");
  }
  Scenario scenario;
  scenario.Port = static_cast<std::uint16_t>(std::stoul(arguments[3]));
  scenario.CaFile = arguments[4];
  scenario.CertificateFile = arguments[5];
  scenario.PrivateKeyFile = arguments[6];
  auto const peer = arguments[1] == "own" ? MakeOwnPeer(scenario) : MakeBarePeer(scenario);
  for (int index = std::stoi(arguments[2]); index > 0; --index) {
    peer->Get();
  }
  return 0;
}

}  // namespace mtlspop::bench
