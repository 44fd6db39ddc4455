#pragma once

/// @file
/// What certificates say, as text.

#include <memory>
#include <optional>
#include <string>

#include <openssl/x509.h>

#include "mtlspop/transport/response.hpp"

namespace mtlspop::openssl {

/// A subject or issuer, RFC 2253 form; none where it cannot be read.
std::optional<std::string> NameText(X509_NAME const* name);

/// Null where there is no certificate, it cannot be read, or there is no memory: nothing depends on it.
std::shared_ptr<ServerCertificate const> DescribeServer(X509 const* certificate) noexcept;

}  // namespace mtlspop::openssl
