#pragma once

/// @file
/// The gateway, and what else stands in front of a server that wants a client certificate.

#include <memory>
#include <string>
#include <vector>

#include "credential/emulator.hpp"
#include "gateway/plain_connection.hpp"
#include "support/server_process.hpp"
#include "support/temporary_directory.hpp"
#include "transport/peer.hpp"

namespace mtlspop::bench {

/// A process that plain requests go to, and that sends them on with a client certificate.
class Gatekeeper {
 public:
  virtual ~Gatekeeper() = default;
  /// A unix socket where it has one.
  Place WayIn;
  pid_t Pid() const noexcept { return process_->Pid(); }
  std::string Output() const { return process_->Output(); }
  double Status(std::string const& field) const;
  std::size_t Descriptors() const;
  void Signal(int signal) const;

 protected:
  test::TemporaryDirectory folder_;
  std::unique_ptr<test::ServerProcess> process_;
};

struct ServedOptions {
  /// In the form of `--origin`.
  std::vector<std::string> Origins;
  /// Further options of the command.
  std::vector<std::string> Options{};
  /// Certificate and key for `--cert`; "" for the managed identity.
  std::string ApplicationPem{};
  /// Authorities that are trusted beside the emulator's, and where their servers are.
  std::string AuthoritiesPem{};
  std::string Overrides{};
};

/// `mtlspop serve`, as it is installed. It gets its tokens from the emulator.
class ServedGateway final : public Gatekeeper {
 public:
  ServedGateway(test::Emulator const& emulator, ServedOptions options);
};

/// The gateway in front of the server of `scenario`, with its certificate, as an application that the emulator knows.
std::unique_ptr<Gatekeeper> StartGateway(test::Emulator const& emulator, Scenario const& scenario);

/// nginx as reverse proxy with `proxy_ssl_certificate`, one worker.
std::unique_ptr<Gatekeeper> StartNginx(Scenario const& scenario);

/// stunnel as client; null where it is not installed.
std::unique_ptr<Gatekeeper> StartStunnel(Scenario const& scenario);

}  // namespace mtlspop::bench
