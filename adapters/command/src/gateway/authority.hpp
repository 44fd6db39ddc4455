#pragma once

/// @file
/// The certificate authority of one run.

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "mtlspop/base/openssl/owners.hpp"
#include "mtlspop/transport/clock.hpp"

namespace mtlspop::gateway {

/// The extension's value, in the form of x509v3_config(5): these names with all below them, and no address.
std::string NameConstraintsFor(std::vector<std::string> const& permittedNames);

/// Vouches for the hosts that the gateway answers for, to the program that it was started for and to nobody else. Its key
/// never leaves the memory of this process, and its own certificate says that it can vouch for the permitted names alone
/// (RFC 5280 section 4.2.1.10): whoever trusts it trusts it for no other host and for no address.
///
/// Thread safety: all members may be called from any thread.
class Authority final {
 public:
  /// How long a program may run.
  static constexpr std::chrono::hours Lifetime{24 * 365};
  static constexpr std::chrono::hours LeafLifetime{24 * 7};
  /// Hosts whose certificates are kept; the one that was made first goes first.
  static constexpr std::size_t MaximumLeaves = 512;

  /// @param permittedNames each stands for itself and all names below it.
  /// @throw Error `invalid_argument` where there are none, `system_failure` where OpenSSL gives no key or certificate
  explicit Authority(std::vector<std::string> const& permittedNames, std::shared_ptr<Clock> time = SystemClock());

  /// The authority's own certificate in PEM.
  std::string CertificatePem() const;

  /// A TLS server's context with a certificate for `host`, as `NormalHost` gives it: TLS 1.2 or later, HTTP/1.1 alone by
  /// ALPN (RFC 7301), a handshake for another server name than `host` is refused (RFC 6066 section 3).
  /// @throw Error `invalid_argument` for a host that is not below a permitted name, `system_failure`
  std::shared_ptr<SSL_CTX> ContextFor(std::string const& host);

 private:
  struct Leaf {
    std::shared_ptr<SSL_CTX> Context;
    std::chrono::system_clock::time_point RenewOn;
  };

  bool Permits(std::string const& host) const;
  std::shared_ptr<SSL_CTX> MakeContext(std::string const& host, std::chrono::system_clock::time_point now) const;
  void MakeRoom();

  std::vector<std::string> const permittedNames_;
  std::shared_ptr<Clock> const time_;
  openssl::EvpPkeyPtr const key_;
  openssl::EvpPkeyPtr const leafKey_;
  openssl::X509Ptr const certificate_;
  std::mutex mutex_;
  std::map<std::string, Leaf> leaves_;
};

}  // namespace mtlspop::gateway
