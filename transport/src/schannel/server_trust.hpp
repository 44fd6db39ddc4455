#pragma once

/// @file
/// Who vouches for servers, where the options say it and not Windows alone.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <windows.h>

#include <wincrypt.h>

#include "mtlspop/transport/http_transport.hpp"

namespace mtlspop::schannel {

struct CloseStore {
  void operator()(HCERTSTORE store) const noexcept { CertCloseStore(store, 0); }
};
using StorePtr = std::unique_ptr<void, CloseStore>;

/// Verifies server certificates against authorities and revocation lists of the caller's.
///
/// WinHTTP can only trust what Windows trusts. Where the options name authorities of their own, WinHTTP is told to leave
/// one question open, whether the root is known, and this class answers it before a byte of a request is sent: it builds
/// the whole chain with an engine that knows no other roots, with every check that Windows does, and verifies the host
/// name.
///
/// Thread safety: immutable.
class ServerTrust final {
 public:
  /// @throw Error `trust_store_unusable`
  explicit ServerTrust(TrustOptions const& options);

  /// Whether there are authorities or lists of the caller's, so that `Verify` has to be asked.
  bool HasOwnRules() const noexcept { return hasOwnRoots_ || lists_ != nullptr; }
  /// Whether a root that Windows does not know may be good.
  bool HasOwnRoots() const noexcept { return hasOwnRoots_; }

  /// @throw Error `server_certificate_rejected`
  void Verify(PCCERT_CONTEXT server, std::string const& host) const;

 private:
  struct FreeEngine {
    void operator()(HCERTCHAINENGINE engine) const noexcept { CertFreeCertificateChainEngine(engine); }
  };
  struct Problem;
  Problem Check(HCERTCHAINENGINE engine, PCCERT_CONTEXT server, std::wstring const& host) const;
  StorePtr AlsoKnown(PCCERT_CONTEXT server) const;
  std::optional<DWORD> FindAnchor(CERT_SIMPLE_CHAIN const& chain) const;
  static Problem CheckChain(DWORD status);
  static Problem CheckName(CERT_CHAIN_CONTEXT const& chain, std::wstring const& host, bool isAnchored);
  std::string CheckRevocation(CERT_SIMPLE_CHAIN const& chain, DWORD trusted) const;

  bool hasOwnRoots_ = false;
  bool alsoSystem_ = true;
  StorePtr roots_;
  StorePtr lists_;
  std::unique_ptr<void, FreeEngine> engine_;
};

/// The DER inside the blocks of a PEM text that have this label (RFC 7468), nothing for a block that is damaged or has no
/// end. Text around the blocks is passed over.
std::vector<std::vector<std::uint8_t>> DecodePem(std::string_view text, std::string_view label);

}  // namespace mtlspop::schannel
