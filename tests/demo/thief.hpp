#pragma once

/// @file
/// Somebody who got hold of a token and has everything else an attacker can have, but not the key it is bound to.

#include <memory>
#include <string>

#include <gsl/pointers>

#include "mtlspop/transport/binding_certificate.hpp"
#include "mtlspop/transport/http_transport.hpp"

namespace demo {

/// What the vault said.
struct Answer {
  int Status = 0;
  /// The innermost code of its error, "" where it gave none.
  std::string Code;
};

class Thief final {
 public:
  Thief(gsl::not_null<std::shared_ptr<mtlspop::HttpTransport>> transport, std::string secretUrl, std::string token);

  /// Sends the token over a connection with this certificate, or as a bearer token over one with none.
  /// @throw mtlspop::Error where no answer came.
  Answer Try(std::shared_ptr<mtlspop::BindingCertificate const> const& certificate) const;

 private:
  gsl::not_null<std::shared_ptr<mtlspop::HttpTransport>> transport_;
  std::string secretUrl_;
  std::string token_;
};

}  // namespace demo
