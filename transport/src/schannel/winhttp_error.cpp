#include "schannel/winhttp_error.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include <winhttp.h>

#include "schannel/system_error.hpp"

// Newer than the cross compiler's headers; the numbers are those of the Windows SDK's winhttp.h.
#ifndef ERROR_WINHTTP_AUTO_PROXY_SERVICE_ERROR
#define ERROR_WINHTTP_AUTO_PROXY_SERVICE_ERROR (WINHTTP_ERROR_BASE + 178)
#endif
#ifndef ERROR_WINHTTP_HTTP_PROTOCOL_MISMATCH
#define ERROR_WINHTTP_HTTP_PROTOCOL_MISMATCH (WINHTTP_ERROR_BASE + 190)
#endif
#ifndef ERROR_WINHTTP_GLOBAL_CALLBACK_FAILED
#define ERROR_WINHTTP_GLOBAL_CALLBACK_FAILED (WINHTTP_ERROR_BASE + 191)
#endif
#ifndef ERROR_WINHTTP_FEATURE_DISABLED
#define ERROR_WINHTTP_FEATURE_DISABLED (WINHTTP_ERROR_BASE + 192)
#endif
#ifndef ERROR_WINHTTP_FAST_FORWARDING_NOT_SUPPORTED
#define ERROR_WINHTTP_FAST_FORWARDING_NOT_SUPPORTED (WINHTTP_ERROR_BASE + 193)
#endif

namespace mtlspop::schannel {
namespace {

struct Meaning {
  DWORD Code;
  ErrorCode Kind;
  /// What failed; the host goes in front.
  char const* What;
  char const* Action;
  bool Transient = false;
};

constexpr char const* AskOwners = "This should not happen; report it together with this text";
constexpr char const* NothingToDo = "Nothing has to be done if the cancellation was meant";
constexpr char const* CheckOptions = "Check the URL, the header fields and the transport's options";
constexpr char const* CheckNetwork =
    "Check that the service is up and that a firewall or proxy on the way lets the connection through";
constexpr char const* CheckServerCertificate =
    "Check the server's certificate, and that Windows or TlsOptions::Trust trusts the authority that issued it";
constexpr char const* CheckBinding =
    "Check that the private key of the binding certificate still exists and that this account may use it; a KeyGuard "
    "key "
    "is gone after a reboot. A managed identity gets another certificate by itself, an application's own has to be "
    "replaced";

constexpr Meaning Meanings[] = {
    {ERROR_WINHTTP_OUT_OF_HANDLES, errors::SystemFailure, "WinHTTP has no handle left", "Look for a leak of handles"},
    {ERROR_WINHTTP_TIMEOUT, errors::DeadlineExceeded, "it did not answer in time", CheckNetwork, true},
    {ERROR_WINHTTP_INTERNAL_ERROR, errors::SystemFailure, "WinHTTP failed internally", AskOwners},
    {ERROR_WINHTTP_INVALID_URL, errors::InvalidArgument, "WinHTTP does not take the URL", CheckOptions},
    {ERROR_WINHTTP_UNRECOGNIZED_SCHEME, errors::InvalidArgument, "WinHTTP does not know the URL's scheme",
     CheckOptions},
    {ERROR_WINHTTP_NAME_NOT_RESOLVED, errors::NameResolutionFailed, "the host name could not be resolved",
     "Check the host name and the machine's DNS settings", true},
    {ERROR_WINHTTP_INVALID_OPTION, errors::SystemFailure, "WinHTTP does not know an option", AskOwners},
    {ERROR_WINHTTP_OPTION_NOT_SETTABLE, errors::SystemFailure, "WinHTTP does not take an option", AskOwners},
    {ERROR_WINHTTP_SHUTDOWN, errors::SystemFailure, "WinHTTP is shutting down", "Do not send while the process ends"},
    {ERROR_WINHTTP_LOGIN_FAILURE, errors::ProxyAuthenticationRequired, "the login failed",
     "Check ProxyOptions::UserName and Password"},
    {ERROR_WINHTTP_OPERATION_CANCELLED, errors::Cancelled, "the request was cancelled", NothingToDo},
    {ERROR_WINHTTP_INCORRECT_HANDLE_TYPE, errors::SystemFailure, "a handle is of the wrong type", AskOwners},
    {ERROR_WINHTTP_INCORRECT_HANDLE_STATE, errors::SystemFailure, "a handle is in the wrong state", AskOwners},
    {ERROR_WINHTTP_CANNOT_CONNECT, errors::ConnectFailed, "no connection could be made", CheckNetwork, true},
    {ERROR_WINHTTP_CONNECTION_ERROR, errors::ConnectionLost, "the connection was lost", CheckNetwork, true},
    {ERROR_WINHTTP_RESEND_REQUEST, errors::ConnectionLost,
     "WinHTTP wants the request to be sent again more often than it may be", CheckNetwork, true},
    {ERROR_WINHTTP_CLIENT_AUTH_CERT_NEEDED, errors::BindingCertificateRejected,
     "the server wants a client certificate, and none that it takes was presented",
     "Send the request with a binding; where it has one, check that the server trusts the authority that issued it"},
    {ERROR_WINHTTP_CANNOT_CALL_BEFORE_OPEN, errors::SystemFailure, "WinHTTP was called out of order", AskOwners},
    {ERROR_WINHTTP_CANNOT_CALL_BEFORE_SEND, errors::SystemFailure, "WinHTTP was called out of order", AskOwners},
    {ERROR_WINHTTP_CANNOT_CALL_AFTER_SEND, errors::SystemFailure, "WinHTTP was called out of order", AskOwners},
    {ERROR_WINHTTP_CANNOT_CALL_AFTER_OPEN, errors::SystemFailure, "WinHTTP was called out of order", AskOwners},
    {ERROR_WINHTTP_HEADER_NOT_FOUND, errors::MalformedResponse, "the answer lacks a header field", CheckNetwork},
    {ERROR_WINHTTP_INVALID_SERVER_RESPONSE, errors::MalformedResponse, "the answer is not HTTP/1.1", CheckNetwork},
    {ERROR_WINHTTP_INVALID_HEADER, errors::InvalidArgument, "a header field cannot be used", CheckOptions},
    {ERROR_WINHTTP_INVALID_QUERY_REQUEST, errors::SystemFailure, "WinHTTP does not know a query", AskOwners},
    {ERROR_WINHTTP_HEADER_ALREADY_EXISTS, errors::InvalidArgument, "a header field is there twice", CheckOptions},
    {ERROR_WINHTTP_REDIRECT_FAILED, errors::MalformedResponse, "a redirect was met, and none is followed", AskOwners},
    {ERROR_WINHTTP_SECURE_CHANNEL_ERROR, errors::TlsHandshakeFailed, "the TLS handshake failed",
     "Check that both sides have a TLS version and cipher in common, that the server's certificate is in order, and, "
     "with "
     "a binding, that the server takes it; the event log \"System\", source Schannel, says more"},
    {ERROR_WINHTTP_BAD_AUTO_PROXY_SCRIPT, errors::ProxyFailed, "the automatic proxy script is faulty",
     "Correct the script"},
    {ERROR_WINHTTP_UNABLE_TO_DOWNLOAD_SCRIPT, errors::ProxyFailed, "the automatic proxy script could not be loaded",
     "Check the machine's proxy settings, or name the proxy in ProxyOptions::Url"},
    {ERROR_WINHTTP_UNHANDLED_SCRIPT_TYPE, errors::ProxyFailed,
     "the automatic proxy script is of a kind WinHTTP does not run", "Name the proxy in ProxyOptions::Url"},
    {ERROR_WINHTTP_SCRIPT_EXECUTION_ERROR, errors::ProxyFailed, "the automatic proxy script failed",
     "Correct the script"},
    {ERROR_WINHTTP_NOT_INITIALIZED, errors::SystemFailure, "WinHTTP is not initialized", AskOwners},
    {ERROR_WINHTTP_SECURE_FAILURE, errors::ServerCertificateRejected, "its certificate was refused",
     CheckServerCertificate},
    {ERROR_WINHTTP_SECURE_CERT_DATE_INVALID, errors::ServerCertificateRejected,
     "its certificate has expired or is not valid yet",
     "Check the clocks of both machines and have the server's certificate renewed"},
    {ERROR_WINHTTP_SECURE_CERT_CN_INVALID, errors::ServerCertificateRejected, "its certificate is for another host",
     "Check the host name in the URL and where that name resolves to"},
    {ERROR_WINHTTP_SECURE_INVALID_CA, errors::ServerCertificateRejected,
     "no trusted authority vouches for its certificate", CheckServerCertificate},
    {ERROR_WINHTTP_SECURE_CERT_REV_FAILED, errors::ServerCertificateRejected,
     "it could not be found out whether its certificate was revoked",
     "Check that this machine reaches the authority's revocation lists"},
    {ERROR_WINHTTP_SECURE_INVALID_CERT, errors::ServerCertificateRejected, "its certificate is invalid",
     CheckServerCertificate},
    {ERROR_WINHTTP_SECURE_CERT_REVOKED, errors::ServerCertificateRejected, "its certificate was revoked",
     "Have the server's certificate replaced"},
    {ERROR_WINHTTP_SECURE_CERT_WRONG_USAGE, errors::ServerCertificateRejected,
     "its certificate may not be used for a TLS server",
     "Have a certificate issued whose extended key usage holds serverAuth"},
    {ERROR_WINHTTP_AUTO_PROXY_SERVICE_ERROR, errors::ProxyFailed, "the service that finds the proxy is not running",
     "Start the service WinHTTP Web Proxy Auto-Discovery, or name the proxy in ProxyOptions::Url"},
    {ERROR_WINHTTP_AUTODETECTION_FAILED, errors::ProxyFailed, "the proxy could not be detected",
     "Check the machine's proxy settings, or name the proxy in ProxyOptions::Url"},
    {ERROR_WINHTTP_HEADER_COUNT_EXCEEDED, errors::HeaderCountLimitExceeded, "the answer has too many header fields",
     "Check what the server sends"},
    {ERROR_WINHTTP_HEADER_SIZE_OVERFLOW, errors::HeaderBytesLimitExceeded, "the answer's header is too large",
     "Check what the server sends, or raise TransportLimits::HeaderBytes"},
    {ERROR_WINHTTP_CHUNKED_ENCODING_HEADER_SIZE_OVERFLOW, errors::ChunkExtensionLimitExceeded,
     "a chunk header of the answer is too large", "Check what the server sends"},
    {ERROR_WINHTTP_RESPONSE_DRAIN_OVERFLOW, errors::MalformedResponse, "the answer is larger than WinHTTP passes over",
     "Check what the server sends"},
    {ERROR_WINHTTP_CLIENT_CERT_NO_PRIVATE_KEY, errors::PrivateKeyUnusable, "the binding certificate has no private key",
     CheckBinding},
    {ERROR_WINHTTP_CLIENT_CERT_NO_ACCESS_PRIVATE_KEY, errors::PrivateKeyUnusable,
     "this account may not use the private key of the binding certificate", CheckBinding},
    {ERROR_WINHTTP_CLIENT_AUTH_CERT_NEEDED_PROXY, errors::ProxyFailed, "the proxy wants a client certificate",
     "Use a proxy that wants none: a binding certificate is never shown to a proxy"},
    {ERROR_WINHTTP_SECURE_FAILURE_PROXY, errors::ProxyFailed, "the proxy's certificate was refused",
     "Check the proxy's certificate"},
    {ERROR_WINHTTP_HTTP_PROTOCOL_MISMATCH, errors::MalformedResponse, "the server speaks another HTTP", CheckNetwork},
    {ERROR_WINHTTP_GLOBAL_CALLBACK_FAILED, errors::SystemFailure, "a global WinHTTP callback failed", AskOwners},
    {ERROR_WINHTTP_FEATURE_DISABLED, errors::SystemFailure, "a feature of WinHTTP is switched off", AskOwners},
    {ERROR_WINHTTP_FAST_FORWARDING_NOT_SUPPORTED, errors::SystemFailure, "WinHTTP cannot forward", AskOwners},
};

/// What the bits of WINHTTP_CALLBACK_STATUS_SECURE_FAILURE mean, most telling first.
struct SecureFailureBit {
  DWORD Bit;
  DWORD Code;
};
constexpr SecureFailureBit SecureFailureBits[] = {
    {WINHTTP_CALLBACK_STATUS_FLAG_CERT_REVOKED, ERROR_WINHTTP_SECURE_CERT_REVOKED},
    {WINHTTP_CALLBACK_STATUS_FLAG_CERT_DATE_INVALID, ERROR_WINHTTP_SECURE_CERT_DATE_INVALID},
    {WINHTTP_CALLBACK_STATUS_FLAG_CERT_CN_INVALID, ERROR_WINHTTP_SECURE_CERT_CN_INVALID},
    {WINHTTP_CALLBACK_STATUS_FLAG_CERT_WRONG_USAGE, ERROR_WINHTTP_SECURE_CERT_WRONG_USAGE},
    {WINHTTP_CALLBACK_STATUS_FLAG_INVALID_CA, ERROR_WINHTTP_SECURE_INVALID_CA},
    {WINHTTP_CALLBACK_STATUS_FLAG_INVALID_CERT, ERROR_WINHTTP_SECURE_INVALID_CERT},
    {WINHTTP_CALLBACK_STATUS_FLAG_CERT_REV_FAILED, ERROR_WINHTTP_SECURE_CERT_REV_FAILED},
    {WINHTTP_CALLBACK_STATUS_FLAG_SECURITY_CHANNEL_ERROR, ERROR_WINHTTP_SECURE_CHANNEL_ERROR},
};

/// As SChannel has it, where the other side does not take a certificate and does not say why.
constexpr auto CertificateUnknown = static_cast<DWORD>(SEC_E_CERT_UNKNOWN);

/// These say only that something was wrong; the callback may have said what.
DWORD MoreTelling(DWORD code, DWORD secureFailure) {
  if (code != ERROR_WINHTTP_SECURE_FAILURE && code != ERROR_WINHTTP_SECURE_CHANNEL_ERROR &&
      code != CertificateUnknown) {
    return code;
  }
  auto const* const bit = std::find_if(
      std::begin(SecureFailureBits), std::end(SecureFailureBits),
      [&](auto const& each) { return (secureFailure & each.Bit) != 0; });
  return bit == std::end(SecureFailureBits) ? code : bit->Code;
}

/// Below WinHTTP's own numbers, what Winsock and the I/O subsystem say of a connection that is gone.
bool IsLostConnection(DWORD code) {
  constexpr DWORD lost[] = {
      ERROR_WINHTTP_CONNECTION_ERROR,
      ERROR_NETNAME_DELETED,
      ERROR_CONNECTION_ABORTED,
      ERROR_GRACEFUL_DISCONNECT,
      WSAECONNABORTED,
      WSAECONNRESET,
      WSAENOTCONN,
      WSAESHUTDOWN};
  return std::find(std::begin(lost), std::end(lost), code) != std::end(lost);
}

constexpr Meaning LostConnection{
    ERROR_WINHTTP_CONNECTION_ERROR, errors::ConnectionLost, "the connection was lost", CheckNetwork, true};
constexpr Meaning LostWhileBinding{
    ERROR_WINHTTP_CONNECTION_ERROR, errors::ConnectionLostDuringBinding,
    "the connection was lost after the bound request had been sent",
    "Most often the server asked for the certificate by renegotiation and something on the way did not let it through: "
    "check for proxies and firewalls that look into TLS, and that TLS 1.2 is not switched off",
    true};

Meaning const* Find(DWORD code) {
  auto const* const meaning =
      std::find_if(std::begin(Meanings), std::end(Meanings), [&](auto const& each) { return each.Code == code; });
  return meaning == std::end(Meanings) ? nullptr : meaning;
}

/// What SChannel and CNG say of a client certificate whose key does not sign.
bool IsUnusableKey(DWORD code) {
  constexpr HRESULT unusable[] = {
      SEC_E_NO_CREDENTIALS, SEC_E_UNKNOWN_CREDENTIALS, NTE_BAD_KEYSET, NTE_NO_KEY, NTE_BAD_KEY_STATE};
  return std::find(std::begin(unusable), std::end(unusable), static_cast<HRESULT>(code)) != std::end(unusable);
}

constexpr Meaning UnusableKey{
    0, errors::PrivateKeyUnusable, "Windows cannot sign with the private key of the binding certificate", CheckBinding};
/// SChannel keeps the alert that the server sent to itself.
constexpr Meaning RefusedBinding{
    0, errors::BindingCertificateRejected,
    "the TLS handshake of a bound request failed and Windows does not say why; most often the server does not take the "
    "binding certificate",
    "A managed identity gets another certificate by itself, an application's own has to be replaced; check that the "
    "server trusts the authority that issued it. Where a request "
    "without "
    "a binding fails as well it is not the binding: check the server's certificate and that both sides have a TLS "
    "version and cipher in common; the event log \"System\", source Schannel, says more"};

Meaning const* FindMeaning(DWORD code, RequestProgress const& progress) {
  auto const telling = MoreTelling(code, progress.SecureFailure);
  if (progress.IsBound && IsUnusableKey(telling)) {
    return &UnusableKey;
  }
  if (telling == ERROR_WINHTTP_SECURE_CHANNEL_ERROR || telling == CertificateUnknown) {
    return progress.IsBound && !progress.HasAnswer ? &RefusedBinding : Find(ERROR_WINHTTP_SECURE_CHANNEL_ERROR);
  }
  if (IsLostConnection(telling)) {
    return progress.IsBound && progress.WasSending && !progress.HasAnswer ? &LostWhileBinding : &LostConnection;
  }
  return Find(telling);
}

/// WinHTTP's numbers are decimal, those of SChannel and CNG are not.
std::string NumberOf(DWORD code) { return (code & 0x80000000U) == 0 ? std::to_string(code) : DescribeStatus(code); }

}  // namespace

Error TranslateWinHttpError(DWORD code, RequestProgress const& progress) {
  auto const* const meaning = FindMeaning(code, progress);
  ErrorDetails details{
      meaning != nullptr ? meaning->Kind : errors::SystemFailure,
      progress.Host + ": " +
          (meaning != nullptr ? std::string{meaning->What} : "Windows reports " + DescribeStatus(code)) + " (" +
          NumberOf(code) + ")",
      meaning != nullptr ? meaning->Action : AskOwners};
  details.Transient = meaning != nullptr && meaning->Transient;
  details.NothingSent = !progress.WasSending;
  return Error{std::move(details)};
}

}  // namespace mtlspop::schannel
