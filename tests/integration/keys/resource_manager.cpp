#include "resource_manager.hpp"

#include <stdexcept>

#include "support/event.hpp"

namespace mtlspop::test {

ResourceManager::ResourceManager(SoftwareTpm const& tpm)
    : bus_{
          {{"/usr/bin/dbus-daemon", "--session", "--nofork", "--nopidfile", "--print-address", "--address=" + address_},
           {}}} {
  // The daemon gives up at once where there is no bus.
  if (!bus_.WaitForOutput(address_)) throw std::runtime_error{"dbus-daemon did not start: " + bus_.Output()};
  daemon_ = std::make_unique<ServerProcess>(
      ServerCommand{{"/usr/sbin/tpm2-abrmd", "--session", "--allow-root", "--tcti=" + tpm.Tcti()}, {}});
  auto const answers = [this] {
    try {
      Run({"tpm2_getrandom", "--hex", "1"});
      return true;
    } catch (std::runtime_error const&) {
      return false;
    }
  };
  if (!Eventually(answers)) throw std::runtime_error{"tpm2-abrmd did not start: " + daemon_->Output()};
}

void ResourceManager::Run(std::vector<std::string> arguments) const {
  arguments.front() = "/usr/bin/" + arguments.front();
  RunProgram(arguments, {"TPM2TOOLS_TCTI=" + Tcti()});
}

}  // namespace mtlspop::test
