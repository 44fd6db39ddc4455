#pragma once

/// @file
/// Which of the certificates found belongs to the key, and which go along with it.

#include <chrono>
#include <cstddef>
#include <functional>
#include <vector>

#include "mtlspop/transport/schannel.hpp"

namespace mtlspop::windows {

/// Of the certificates that `hasKey` says have a private key the first that is valid at `now`, else the first; then each
/// one's issuer as far as it was found, without a root and without strangers (RFC 5246 section 7.4.2). As numbers of
/// `certificates`; empty where none has a key.
std::vector<std::size_t> ChooseCertificates(
    std::vector<schannel::CertificateContextPtr> const& certificates,
    std::function<bool(std::size_t)> const& hasKey,
    std::chrono::system_clock::time_point now);

}  // namespace mtlspop::windows
