#include "schannel/http_transport.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "destination.hpp"
#include "mtlspop/base/environment_variable.hpp"
#include "mtlspop/base/windows/wide_text.hpp"
#include "proxy_selection.hpp"
#include "request_rules.hpp"
#include "schannel/async_request.hpp"
#include "schannel/connection_ledger.hpp"
#include "schannel/proxy_answer.hpp"
#include "schannel/proxy_credentials.hpp"
#include "schannel/request_body.hpp"
#include "schannel/response_body.hpp"
#include "schannel/response_header.hpp"
#include "schannel/server_trust.hpp"
#include "schannel/session_pool.hpp"

// Newer than the cross compiler's headers; the numbers are those of the Windows SDK's winhttp.h.
#ifndef WINHTTP_OPTION_RESOLUTION_HOSTNAME
#define WINHTTP_OPTION_RESOLUTION_HOSTNAME 165
#endif
#ifndef WINHTTP_OPTION_SECURITY_INFO
#define WINHTTP_OPTION_SECURITY_INFO 151
#endif

namespace mtlspop::schannel {
namespace {

/// How often a request is tried where WinHTTP offers connections of other sessions. After the first it is to be sent
/// without keep-alive, which should give it a connection of its own; that it does is nowhere written down. Where it
/// does not, each try closes the connection that it refuses, and there are no more of them than other sessions have
/// left resting, and leave meanwhile.
constexpr int ForeignConnections = 16;

/// WinHTTP offered a connection that was not made for the request's session, or does not say which one it is.
struct UnusableConnection {
  bool IsForeign = true;
};

/// What the check of one attempt's connection found out, on a thread of WinHTTP's, before the request was sent.
struct Checked {
  /// Number of the connection, 0 where there was none yet.
  std::uint64_t Connection = 0;
  bool IsVerified = false;
};

/// What one attempt needs to know, put together once for a request.
struct Plan {
  Destination Where;
  SessionKey Key;
  std::optional<ProxyCredentials> Credentials;
  bool KeepsAlive = true;
};

/// Hosts that no proxy is used for, not even the one of the machine's settings.
std::vector<std::string> DirectHosts(ProxyOptions const& options) {
  auto list = SplitNoProxy(options.NoProxy);
  for (char const* const name : {"no_proxy", "NO_PROXY"}) {
    if (char const* const value = ReadEnvironmentVariable(name); value != nullptr && options.UseEnvironment) {
      auto const more = SplitNoProxy(value);
      list.insert(list.end(), more.begin(), more.end());
      break;
    }
  }
  return list;
}

class WinHttpTransport final : public HttpTransport {
 public:
  WinHttpTransport(TransportOptions options, std::shared_ptr<WinHttpFunctions> functions)
      : options_(std::move(options)),
        destinations_(options_),
        proxies_(options_.Proxy, &ReadEnvironmentVariable),
        direct_(DirectHosts(options_.Proxy)),
        trust_(std::make_shared<ServerTrust const>(options_.Tls.Trust)),
        ledger_(std::make_shared<ConnectionLedger>()),
        sessions_(std::move(functions), options_.Pool, options_.Time) {}

  std::unique_ptr<Response> Send(
      Request& request, std::shared_ptr<BindingCertificate const> const& binding, Context const& context) override;
  void DropConnections(std::string_view x5tS256) noexcept override { sessions_.Drop(x5tS256); }
  mtlspop::PoolStatistics PoolStatistics() const override;

 private:
  Plan MakePlan(Request const& request, BindingCertificate const* binding) const;
  AsyncRequest::Ptr Open(
      Request const& request,
      Plan const& plan,
      std::shared_ptr<BindingCertificate const> const& binding,
      std::shared_ptr<Checked> const& checked);
  ConnectionCheck MakeCheck(
      Request const& request, Plan const& plan, Session const& session, std::shared_ptr<Checked> checked) const;
  bool Verifies(Request const& request, Plan const& plan) const;
  void Configure(AsyncRequest& sending, Request const& request, Plan const& plan) const;
  void SetCertificate(AsyncRequest& sending, BindingCertificate const* binding) const;
  void SetSecurityFlags(AsyncRequest& sending, Plan const& plan, bool resolvesElsewhere) const;
  void SetTimeouts(AsyncRequest& sending, Context const& context) const;
  std::unique_ptr<Response> Exchange(
      AsyncRequest& sending, Request& request, Plan const& plan, Context const& context) const;
  std::unique_ptr<Response> Finish(
      AsyncRequest::Ptr sending,
      std::unique_ptr<Response> response,
      Request const& request,
      Plan const& plan,
      Checked const& checked) const;

  TransportOptions const options_;
  DestinationTable const destinations_;
  ProxySelection const proxies_;
  std::vector<std::string> const direct_;
  std::shared_ptr<ServerTrust const> const trust_;
  std::shared_ptr<ConnectionLedger> const ledger_;
  SessionPool sessions_;
};

bool IsLost(Error const& error) {
  return error.Code() == errors::ConnectionLost || error.Code() == errors::ConnectionLostDuringBinding;
}

bool Rewinds(Request const& request) { return !request.Body || request.Body->TryRewind(); }

/// "TLSv1.2" or "TLSv1.3" where this Windows says it (Windows 10 2004 and later): the first member of what it answers is
/// SecPkgContext_ConnectionInfo, whose first member is the protocol.
std::string TlsVersionOf(AsyncRequest const& sending) {
  std::vector<DWORD> info(512);
  auto bytes = static_cast<DWORD>(info.size() * sizeof(DWORD));
  if (!sending.QueryOption(WINHTTP_OPTION_SECURITY_INFO, info.data(), &bytes)) {
    return {};
  }
  constexpr DWORD tls12 = 0x800;
  constexpr DWORD tls13 = 0x2000;
  return info.front() == tls13 ? "TLSv1.3" : info.front() == tls12 ? "TLSv1.2" : "";
}

/// Whether, as far as is known, only a proxy was spoken to, and not the https server behind it.
bool HasMetProxyAlone(Request const& request, SessionKey const& key, AsyncRequest const& sending) {
  return request.Target.IsHttps() && key.MayMeetProxy() && !sending.HasServerTls();
}

/// Returns false where WinHTTP asks for the request to be sent once more.
bool SendAndReceive(
    AsyncRequest& sending,
    Request const& request,
    SessionKey const& key,
    std::chrono::milliseconds connectTimeout,
    Context const& context) {
  try {
    sending.Send(RequestTotalLength(request), connectTimeout, context);
    // A proxy that has refused the tunnel gets nothing that is meant for the server.
    if (!HasMetProxyAlone(request, key, sending)) {
      SendRequestBody(sending, request, context);
    }
    sending.Receive(context);
    return true;
  } catch (Error const&) {
    if (!sending.WantsResend()) {
      throw;
    }
    return false;
  }
}

/// Whether the answer comes from the proxy and not from the server behind it. WinHTTP hands out what a proxy answers to
/// CONNECT as if the server had said it.
bool IsOfProxy(Response const& response, Request const& request, SessionKey const& key, AsyncRequest const& sending) {
  // Of a plain request nobody but a proxy wants to be told who one is.
  return HasMetProxyAlone(request, key, sending) ||
         (!request.Target.IsHttps() && !key.Proxy.empty() && response.StatusCode == 407);
}

std::optional<std::uint64_t> ContentLength(Response const& response, std::string const& method) {
  if (method == "HEAD" || response.StatusCode == 204 || response.StatusCode == 304) {
    return 0;
  }
  auto const* const text = response.Fields.Find("content-length");
  if (text == nullptr || response.Fields.Contains("transfer-encoding") ||
      text->find_first_not_of("0123456789") != std::string::npos || text->empty() || text->size() > 19) {
    return std::nullopt;
  }
  std::uint64_t length = 0;
  std::from_chars(text->data(), text->data() + text->size(), length);
  return length;
}

/// WinHTTP sends the whole request before it looks for an answer, an interim one included.
void RefuseExpectContinue(Request const& request) {
  if (request.ExpectContinue) {
    ErrorDetails details{
        errors::InvalidArgument,
        "Request::ExpectContinue cannot be had on Windows: WinHTTP does not wait for 100 Continue",
        "Leave it out on Windows. Where it is there to have the certificate asked for before a large body is sent, "
        "send "
        "a small request to the same origin first: its connection is used again"};
    details.NothingSent = true;
    throw Error{std::move(details)};
  }
}

Error UnknownConnection(std::string const& host, bool nothingSent) {
  ErrorDetails details{
      errors::SystemFailure,
      host +
          ": Windows does not say which connection it would use, not even of a fresh one, and that it is not another "
          "certificate's cannot be made sure",
      "Check that Windows is up to date; report it together with this text"};
  details.NothingSent = nothingSent;
  return Error{std::move(details)};
}

Error LostToForeignConnection(std::string const& host) {
  ErrorDetails details{
      errors::ConnectionLost,
      host +
          ": the connection was lost, and WinHTTP was about to repeat the request on one that was made for another "
          "certificate",
      "Send the request again if the operation may be repeated"};
  details.Transient = true;
  return Error{std::move(details)};
}

/// What has gone out once may go out again, by another connection, only if it can: WinHTTP was repeating the request by
/// itself. Of a connection that is not named there is one other try.
void ThrowIfLastTry(UnusableConnection const& connection, Request const& request, bool wasSent, bool wasUnknown) {
  bool const mayRepeat = !wasSent || (IsIdempotent(request.Method) && Rewinds(request));
  if (connection.IsForeign && !mayRepeat) {
    throw LostToForeignConnection(request.Target.Host());
  }
  if (!connection.IsForeign && (wasUnknown || !mayRepeat)) {
    throw UnknownConnection(request.Target.Host(), !wasSent);
  }
}

[[noreturn]] void ThrowUnverified(std::string const& host) {
  throw Error{ErrorDetails{
      errors::ServerCertificateRejected, host + ": Windows does not say which certificate the server has",
      "This should not happen; report it together with this text"}};
}

std::unique_ptr<Response> WinHttpTransport::Send(
    Request& request, std::shared_ptr<BindingCertificate const> const& binding, Context const& context) {
  CheckRequest(request, binding != nullptr);
  RefuseExpectContinue(request);
  context.ThrowIfEnded("The request");
  auto plan = MakePlan(request, binding.get());
  bool again = false;
  bool wasSent = false;
  bool wasUnknown = false;
  for (int unusable = 0; unusable < ForeignConnections;) {
    auto const checked = std::make_shared<Checked>();
    auto sending = Open(request, plan, binding, checked);
    try {
      auto response = Exchange(*sending, request, plan, context);
      if (Verifies(request, plan) && !checked->IsVerified) {
        ThrowUnverified(request.Target.Host());
      }
      return Finish(std::move(sending), std::move(response), request, plan, *checked);
    } catch (UnusableConnection const& connection) {
      wasSent = wasSent || sending->Progress().WasSending;
      ThrowIfLastTry(connection, request, wasSent, wasUnknown);
      wasUnknown = wasUnknown || !connection.IsForeign;
      ++unusable;
      plan.KeepsAlive = false;
      options_.Log.Write(
          LogLevel::Warning, connection.IsForeign ? "transport.foreign_connection" : "transport.unknown_connection",
          {{"host", request.Target.Host()}});
    } catch (Error const& error) {
      auto const progress = sending->Progress();
      bool const mayRepeat = !again && IsLost(error) && sending->IsOnReusedConnection() && !progress.HasAnswer &&
                             (error.Details().NothingSent || IsIdempotent(request.Method)) && Rewinds(request);
      if (!mayRepeat) {
        throw;
      }
      again = true;
      options_.Log.Write(LogLevel::Debug, "transport.repeat", {{"host", request.Target.Host()}});
    }
  }
  ErrorDetails details{
      errors::SystemFailure,
      request.Target.Host() + ": WinHTTP offers only connections that were made for other certificates",
      "Send the request again; where that does not help, set PoolOptions::IdleTimeout to 0"};
  details.NothingSent = !wasSent;
  details.Transient = true;
  throw Error{std::move(details)};
}

Plan WinHttpTransport::MakePlan(Request const& request, BindingCertificate const* binding) const {
  auto const& origin = request.Target.GetOrigin();
  Plan plan{destinations_.For(origin, binding != nullptr), {}, {}, options_.Pool.IdleTimeout.count() != 0};
  plan.Key.X5tS256 = binding != nullptr ? binding->X5tS256() : std::string{};
  plan.Key.MinimumTls = options_.Tls.MinimumVersion;
  plan.Key.MaximumTls = plan.Where.MaximumVersion;
  if (plan.Where.IsOverridden || request.NeverProxied) {
    return plan;
  }
  if (auto const* const proxy = proxies_.For(origin)) {
    if (proxy->Address.IsHttps()) {
      throw Error{ErrorDetails{
          errors::InvalidArgument,
          "The proxy " + proxy->Address.HostAndPort() + " is to be reached by https, which WinHTTP cannot do",
          "Give http://host:port; what is said to https hosts stays encrypted all the same"}};
    }
    plan.Key.Proxy = proxy->Address.HostAndPort();
    plan.Credentials = ReadProxyCredentials(proxy->Authorization);
  } else {
    plan.Key.UsesSystemProxy =
        options_.Proxy.UseEnvironment && options_.Proxy.Url.empty() && !IsDirect(direct_, origin.Host);
  }
  return plan;
}

AsyncRequest::Ptr WinHttpTransport::Open(
    Request const& request,
    Plan const& plan,
    std::shared_ptr<BindingCertificate const> const& binding,
    std::shared_ptr<Checked> const& checked) {
  RequestTarget target;
  target.Host = request.Target.Host();
  target.Port = plan.Where.Port;
  target.IsHttps = request.Target.IsHttps();
  target.Method = request.Method;
  target.Path = request.Target.Target();
  target.NameForErrors = request.Target.Host();
  auto const session = sessions_.Acquire(plan.Key, binding);
  auto const check = MakeCheck(request, plan, *session, checked);
  auto sending = AsyncRequest::Open(session, target, check);
  bool resolvesElsewhere = true;
  if (plan.Where.IsOverridden && plan.Where.Host != target.Host) {
    auto elsewhere = Widen(plan.Where.Host);
    resolvesElsewhere = sending->TrySetOption(
        WINHTTP_OPTION_RESOLUTION_HOSTNAME, elsewhere.data(),
        static_cast<DWORD>((elsewhere.size() + 1) * sizeof(wchar_t)));
    if (!resolvesElsewhere) {
      // Before Windows 10 21H1: the name of the other place goes into the handshake, the name of the URL is verified.
      target.Host = plan.Where.Host;
      sending = AsyncRequest::Open(session, target, check);
    }
  }
  Configure(*sending, request, plan);
  if (request.Target.IsHttps()) {
    // What the session keeps, and not the caller's: another object of the same `x5t#S256` may be gone before WinHTTP has
    // closed the request.
    SetCertificate(*sending, sending->Binding().get());
    SetSecurityFlags(*sending, plan, resolvesElsewhere);
  }
  return sending;
}

/// Whether the server's certificate has to be verified here, and not by WinHTTP alone.
bool WinHttpTransport::Verifies(Request const& request, Plan const& plan) const {
  return request.Target.IsHttps() && (trust_->HasOwnRules() || plan.Where.IsOverridden);
}

/// Runs on a thread of WinHTTP's, when TLS stands and before the first byte of the request.
ConnectionCheck WinHttpTransport::MakeCheck(
    Request const& request, Plan const& plan, Session const& session, std::shared_ptr<Checked> checked) const {
  return [trust = trust_, ledger = ledger_, log = options_.Log, verifies = Verifies(request, plan),
          isHttps = request.Target.IsHttps(), host = request.Target.Host(), owner = session.ConnectionOwner(),
          x5tS256 = plan.Key.X5tS256, checked = std::move(checked)](ConnectionView const& view) {
    checked->IsVerified = false;
    // Plain http has no certificates to mix up.
    if (!view.IsNew && view.LocalEndpoint.empty() && isHttps) {
      throw UnusableConnection{false};
    }
    auto const holder = owner + "|" + view.RemoteEndpoint;
    if (!view.IsNew && !view.LocalEndpoint.empty()) {
      auto const number = ledger->Find(view.LocalEndpoint, holder);
      if (!number) {
        throw UnusableConnection{};
      }
      checked->Connection = *number;
    }
    if (verifies && !view.IsTunnelPending) {
      if (!view.Server) {
        ThrowUnverified(host);
      }
      trust->Verify(view.Server.get(), host);
      checked->IsVerified = true;
    }
    if (view.IsNew) {
      checked->Connection = ledger->Opened(view.LocalEndpoint, holder);
      log.Write(
          LogLevel::Debug, "transport.connected",
          {{"to", host}, {"connection", static_cast<std::int64_t>(checked->Connection)}, {"x5t_s256", x5tS256}});
    }
  };
}

void WinHttpTransport::Configure(AsyncRequest& sending, Request const& request, Plan const& plan) const {
  // Proxy credentials are given to WinHTTP, which uses them for the proxy alone; nothing else is ever automatic.
  DWORD disabled = WINHTTP_DISABLE_COOKIES | WINHTTP_DISABLE_REDIRECTS |
                   (plan.Credentials ? 0U : static_cast<DWORD>(WINHTTP_DISABLE_AUTHENTICATION));
  if (!plan.KeepsAlive) {
    disabled |= WINHTTP_DISABLE_KEEP_ALIVE;
  }
  sending.SetOption(WINHTTP_OPTION_DISABLE_FEATURE, &disabled, sizeof disabled);
  DWORD noDefaultCredentials = WINHTTP_AUTOLOGON_SECURITY_LEVEL_HIGH;
  sending.SetOption(WINHTTP_OPTION_AUTOLOGON_POLICY, &noDefaultCredentials, sizeof noDefaultCredentials);
  auto headerBytes =
      static_cast<DWORD>(std::min<std::size_t>(options_.Limits.HeaderBytes, std::numeric_limits<DWORD>::max()));
  sending.TrySetOption(WINHTTP_OPTION_MAX_RESPONSE_HEADER_SIZE, &headerBytes, sizeof headerBytes);

  std::wstring fields;
  bool const namesHost = request.Fields.Contains("host");
  if (!namesHost && plan.Where.IsOverridden) {
    fields += L"Host: " + WidenBytes(request.Target.HostHeader()) + L"\r\n";
  }
  for (auto const& [name, value] : request.Fields) {
    fields += WidenBytes(name) + L": " + WidenBytes(value) + L"\r\n";
  }
  fields += RequestBodyFields(request);
  sending.AddHeaders(fields);
}

void WinHttpTransport::SetCertificate(AsyncRequest& sending, BindingCertificate const* binding) const {
  if (binding == nullptr) {
    // Without this, WinHTTP refuses servers that merely offer to take a certificate.
    sending.SetOption(WINHTTP_OPTION_CLIENT_CERT_CONTEXT, WINHTTP_NO_CLIENT_CERT_CONTEXT, 0);
    return;
  }
  auto const context = MakeCertificateContext(*binding);
  sending.SetOption(WINHTTP_OPTION_CLIENT_CERT_CONTEXT, const_cast<CERT_CONTEXT*>(context.get()), sizeof(CERT_CONTEXT));
}

/// WinHTTP verifies as always, but for the questions that `ServerTrust::Verify` answers in its place, in full and before
/// a byte is sent.
void WinHttpTransport::SetSecurityFlags(AsyncRequest& sending, Plan const& plan, bool resolvesElsewhere) const {
  DWORD answeredHere = trust_->HasOwnRoots() ? SECURITY_FLAG_IGNORE_UNKNOWN_CA : 0U;
  if (plan.Where.IsOverridden && !resolvesElsewhere) {
    answeredHere |= SECURITY_FLAG_IGNORE_CERT_CN_INVALID;
  }
  if (answeredHere != 0) {
    sending.SetOption(WINHTTP_OPTION_SECURITY_FLAGS, &answeredHere, sizeof answeredHere);
  }
}

void WinHttpTransport::SetTimeouts(AsyncRequest& sending, Context const& context) const {
  constexpr std::int64_t longest = std::numeric_limits<int>::max();
  std::int64_t transfer = 0;
  if (context.Deadline() != Context::TimePoint::max()) {
    // A little later than the deadline, which is watched here: a request that was given up must not stay for ever.
    auto const left = std::chrono::duration_cast<std::chrono::milliseconds>(context.Deadline() - Context::Clock::now());
    transfer = std::clamp<std::int64_t>(left.count() + 1000, 1, longest);
  }
  auto const connect = std::clamp<std::int64_t>(options_.ConnectTimeout.count(), 1, longest);
  sending.SetTimeouts(static_cast<int>(connect), static_cast<int>(transfer));
}

/// Sends the request and receives the header of its answer.
std::unique_ptr<Response> WinHttpTransport::Exchange(
    AsyncRequest& sending, Request& request, Plan const& plan, Context const& context) const {
  SetTimeouts(sending, context);
  bool hasGivenCredentials = false;
  bool hasGivenCertificateAgain = false;
  for (std::size_t resends = 0; resends <= options_.Limits.Renegotiations;) {
    if (!SendAndReceive(sending, request, plan.Key, options_.ConnectTimeout, context)) {
      ++resends;
      if (sending.WantsCertificate()) {
        if (std::exchange(hasGivenCertificateAgain, true)) {
          break;
        }
        SetCertificate(sending, sending.Binding().get());
      }
    } else {
      auto response = std::make_unique<Response>();
      ParseResponseHeader(sending.ResponseHeader(), options_.Limits, *response);
      if (!IsOfProxy(*response, request, plan.Key, sending)) {
        return response;
      }
      if (response->StatusCode != 407 || !plan.Credentials || hasGivenCredentials) {
        ThrowProxyAnswer(
            {plan.Key.Proxy, request.Target.GetOrigin().HostAndPort(), response->StatusCode,
             plan.Credentials.has_value(), !sending.Progress().WasSending});
      }
      sending.SetProxyCredentials(plan.Credentials->UserName, plan.Credentials->Password);
      hasGivenCredentials = true;
    }
    if (!Rewinds(request)) {
      break;
    }
  }
  throw TranslateWinHttpError(
      sending.WantsCertificate() ? ERROR_WINHTTP_CLIENT_AUTH_CERT_NEEDED : ERROR_WINHTTP_RESEND_REQUEST,
      sending.Progress());
}

std::unique_ptr<Response> WinHttpTransport::Finish(
    AsyncRequest::Ptr sending,
    std::unique_ptr<Response> response,
    Request const& request,
    Plan const& plan,
    Checked const& checked) const {
  auto& info = response->Connection;
  info.Id = checked.Connection;
  info.Reused = sending->IsOnReusedConnection();
  info.X5tS256 = plan.Key.X5tS256;
  info.TlsVersion = request.Target.IsHttps() ? TlsVersionOf(*sending) : std::string{};
  if (info.Reused) {
    ledger_->CountReuse();
  }
  auto const length = ContentLength(*response, request.Method);
  response->Body = std::make_unique<ResponseBody>(std::move(sending), length);
  return response;
}

mtlspop::PoolStatistics WinHttpTransport::PoolStatistics() const {
  mtlspop::PoolStatistics statistics;
  statistics.Bindings = sessions_.Bindings();
  statistics.Opened = ledger_->OpenedSoFar();
  statistics.Reused = ledger_->ReusedSoFar();
  statistics.Dropped = sessions_.DroppedSoFar();
  return statistics;
}

}  // namespace

gsl::not_null<std::shared_ptr<HttpTransport>> MakeWinHttpTransport(
    TransportOptions options, std::shared_ptr<WinHttpFunctions> functions) {
  CheckOptions(options);
  return std::shared_ptr<HttpTransport>{std::make_shared<WinHttpTransport>(std::move(options), std::move(functions))};
}

}  // namespace mtlspop::schannel

namespace mtlspop {

gsl::not_null<std::shared_ptr<HttpTransport>> MakeHttpTransport(TransportOptions options) {
  return schannel::MakeWinHttpTransport(std::move(options), schannel::SystemWinHttp());
}

}  // namespace mtlspop
