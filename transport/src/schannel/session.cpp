#include "schannel/session.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "mtlspop/transport/error.hpp"
#include "schannel/system_error.hpp"
#include "schannel/wide_text.hpp"

namespace mtlspop::schannel {

std::string SessionKey::ToString() const {
  auto const version = [](TlsVersion tls) { return tls == TlsVersion::Tls13 ? "1.3" : "1.2"; };
  return KeyId + "|" + version(MinimumTls) + "|" + version(MaximumTls) + "|" + (UsesSystemProxy ? "system" : Proxy);
}

Session::Session(
    std::shared_ptr<WinHttpFunctions> functions,
    SessionKey key,
    std::shared_ptr<BindingCertificate const> binding,
    PoolOptions const& pool)
    : functions_(std::move(functions)), key_(std::move(key)), binding_(std::move(binding)) {
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
    SetTlsVersions();
  } catch (...) {
    functions_->CloseHandle(handle_);
    throw;
  }
  auto perServer = static_cast<DWORD>(std::min<std::size_t>(pool.MaximumPerOrigin, std::numeric_limits<DWORD>::max()));
  functions_->SetOption(handle_, WINHTTP_OPTION_MAX_CONNS_PER_SERVER, &perServer, sizeof perServer);
  // HTTP/2 forbids renegotiation. It is off unless asked for; a Windows that does not know the option speaks 1.1 only.
  DWORD http11 = 0;
  functions_->SetOption(handle_, WINHTTP_OPTION_ENABLE_HTTP_PROTOCOL, &http11, sizeof http11);
}

Session::~Session() { functions_->CloseHandle(handle_); }

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
