#pragma once

/// @file
/// `openssl s_server`, which renegotiates when it is told to.

#include <string>
#include <string_view>
#include <vector>

#include "support/server_process.hpp"
#include "support/temporary_directory.hpp"
#include "support/test_certificate_authority.hpp"

namespace mtlspop::test {

/// A running `openssl s_server` on https://localhost:port for one connection at a time. What the client sends stands in
/// `Process().Output()`; what is written to the process goes to the client, a line that begins with 'R' or 'c' being a
/// command (openssl-s_server(1), "connected commands").
class OpensslServer final {
 public:
  OpensslServer(IssuedCertificate const& certificate, std::vector<std::string> const& furtherArguments);

  std::string Url(std::string_view target) const;
  ServerProcess& Process() noexcept { return process_; }

 private:
  std::uint16_t port_;
  ServerProcess process_;
};

}  // namespace mtlspop::test
