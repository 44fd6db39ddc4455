#include "software_tpm.hpp"

#include <stdexcept>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "support/event.hpp"

namespace mtlspop::test {

std::string RunProgram(std::vector<std::string> const& arguments, std::vector<std::string> const& environment) {
  // The shell says when it has ended, and how.
  std::vector<std::string> command{"/bin/sh", "-c", "\"$@\"; echo \"ended with $?\"", "sh"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  ServerProcess const process{{std::move(command), environment}};
  if (!process.WaitForOutput("ended with 0\n")) {
    throw std::runtime_error{arguments.front() + " failed: " + process.Output()};
  }
  return process.Output();
}

SoftwareTpm::SoftwareTpm() { Start(); }

void SoftwareTpm::Start() {
  ::unlink(socket_.c_str());
  auto const control = "type=unixio,path=" + socket_ + ".ctrl";
  auto const server = "type=unixio,path=" + socket_;
  process_ = std::make_unique<ServerProcess>(ServerCommand{
      {"/usr/bin/swtpm", "socket", "--tpm2", "--tpmstate", "dir=" + directory_.Path(), "--ctrl", control, "--server",
       server, "--flags", "not-need-init,startup-clear"},
      {}});
  auto const listens = [this] {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socket_.copy(address.sun_path, sizeof address.sun_path - 1);
    int const socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool const connected = ::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    ::close(socket);
    return connected;
  };
  if (!Eventually(listens)) throw std::runtime_error{"swtpm did not start: " + process_->Output()};
}

void SoftwareTpm::Restart() {
  process_.reset();
  Start();
}

std::string SoftwareTpm::Run(std::vector<std::string> arguments) const {
  arguments.front() = "/usr/bin/" + arguments.front();
  return RunProgram(arguments, {"TPM2TOOLS_TCTI=" + Tcti()});
}

}  // namespace mtlspop::test
