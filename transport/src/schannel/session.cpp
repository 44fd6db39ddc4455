#include "schannel/session.hpp"

#include <algorithm>
#include <atomic>
#include <limits>
#include <utility>

#include "mtlspop/base/windows/wide_text.hpp"
#include "mtlspop/transport/error.hpp"
#include "schannel/system_error.hpp"

// Newer than the cross compiler's headers; the numbers are those of the Windows SDK's winhttp.h.
#ifndef WINHTTP_OPTION_DISABLE_PROXY_AUTH_SCHEMES
#define WINHTTP_OPTION_DISABLE_PROXY_AUTH_SCHEMES 193
#define WINHTTP_PROXY_DISABLE_SCHEME_DIGEST 0x2
#define WINHTTP_PROXY_DISABLE_SCHEME_NTLM 0x4
#define WINHTTP_PROXY_DISABLE_SCHEME_KERBEROS 0x8
#define WINHTTP_PROXY_DISABLE_SCHEME_NEGOTIATE 0x10
#endif
#ifndef WINHTTP_OPTION_DISABLE_GLOBAL_POOLING
#define WINHTTP_OPTION_DISABLE_GLOBAL_POOLING 195
#endif

namespace mtlspop::schannel {

namespace {

std::uint64_t NextNumber() noexcept {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

}  // namespace

std::string SessionKey::ToString() const {
  auto const version = [](TlsVersion tls) { return tls == TlsVersion::Tls13 ? "1.3" : "1.2"; };
  return X5tS256 + "|" + version(MinimumTls) + "|" + version(MaximumTls) + "|" + (UsesSystemProxy ? "system" : Proxy);
}

Session::Session(
    std::shared_ptr<WinHttpFunctions> functions,
    SessionKey key,
    std::shared_ptr<BindingCertificate const> binding,
    PoolOptions const& pool)
    : functions_(std::move(functions)), key_(std::move(key)), binding_(std::move(binding)), number_(NextNumber()) {
  if (!key_.Proxy.empty()) {
    handle_ = functions_->Open(WINHTTP_ACCESS_TYPE_NAMED_PROXY, Widen(key_.Proxy).c_str());
  } else if (key_.UsesSystemProxy) {
    handle_ = functions_->Open(WINHTTP_ACCESS_TYPE_AUTOMATIC_PROXY, nullptr);
    if (handle_ == nullptr) {
      // Before Windows 8.1.
      handle_ = functions_->Open(WINHTTP_ACCESS_TYPE_DEFAULT_PROXY, nullptr);
    }
  } else {
    handle_ = functions_->Open(WINHTTP_ACCESS_TYPE_NO_PROXY, nullptr);
  }
  if (handle_ == nullptr) {
    Fail("WinHTTP gives no session");
  }
  try {
    Configure(pool);
  } catch (...) {
    functions_->CloseHandle(handle_);
    throw;
  }
}

Session::~Session() { functions_->CloseHandle(handle_); }

void Session::Configure(PoolOptions const& pool) {
  SetTlsVersions();
  auto perServer = static_cast<DWORD>(std::min<std::size_t>(pool.MaximumPerOrigin, std::numeric_limits<DWORD>::max()));
  functions_->SetOption(handle_, WINHTTP_OPTION_MAX_CONNS_PER_SERVER, &perServer, sizeof perServer);
  // HTTP/2 forbids renegotiation. It is off unless asked for; a Windows that does not know the option speaks 1.1 only.
  DWORD http11 = 0;
  functions_->SetOption(handle_, WINHTTP_OPTION_ENABLE_HTTP_PROTOCOL, &http11, sizeof http11);
  if (key_.MayMeetProxy()) {
    // Basic is the one scheme supported; by the others a proxy might be told who is logged on. Where the option is not
    // known, WINHTTP_OPTION_AUTOLOGON_POLICY of each request stands alone against that.
    DWORD allButBasic = WINHTTP_PROXY_DISABLE_SCHEME_DIGEST | WINHTTP_PROXY_DISABLE_SCHEME_NTLM |
                        WINHTTP_PROXY_DISABLE_SCHEME_KERBEROS | WINHTTP_PROXY_DISABLE_SCHEME_NEGOTIATE;
    functions_->SetOption(handle_, WINHTTP_OPTION_DISABLE_PROXY_AUTH_SCHEMES, &allButBasic, sizeof allButBasic);
  }
  KeepConnectionsApart();
}

/// Without this, WinHTTP shares connections between all sessions of the process. It has to come last: the maximum
/// number of connections, set later, would weaken it, says the option's documentation.
void Session::KeepConnectionsApart() {
  BOOL apart = TRUE;
  if (!functions_->SetOption(handle_, WINHTTP_OPTION_DISABLE_GLOBAL_POOLING, &apart, sizeof apart) &&
      functions_->LastError() != ERROR_WINHTTP_INVALID_OPTION) {
    Fail("WinHTTP does not keep the connections of its sessions apart");
  }
  // An older Windows does not know the option: there the ConnectionLedger alone stands guard.
}

void Session::SetTlsVersions() {
  DWORD const tls12 = key_.MinimumTls == TlsVersion::Tls12 ? WINHTTP_FLAG_SECURE_PROTOCOL_TLS1_2 : 0;
  DWORD const tls13 = key_.MaximumTls == TlsVersion::Tls13 ? WINHTTP_FLAG_SECURE_PROTOCOL_TLS1_3 : 0;
  DWORD protocols = tls12 | tls13;
  if (functions_->SetOption(handle_, WINHTTP_OPTION_SECURE_PROTOCOLS, &protocols, sizeof protocols)) {
    return;
  }
  // Before Windows 11 and Server 2022 there is no TLS 1.3.
  protocols = tls12;
  if (tls12 == 0 || !functions_->SetOption(handle_, WINHTTP_OPTION_SECURE_PROTOCOLS, &protocols, sizeof protocols)) {
    Fail("This Windows cannot do the TLS versions that the options ask for");
  }
}

void Session::Fail(char const* what) const {
  ErrorDetails details{
      errors::SystemFailure, std::string{what} + ": " + DescribeStatus(functions_->LastError()),
      "TLS 1.3 needs Windows 11 or Server 2022; for the rest check the machine's resources"};
  details.NothingSent = true;
  throw Error{std::move(details)};
}

}  // namespace mtlspop::schannel
