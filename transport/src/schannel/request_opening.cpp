#include "schannel/request_opening.hpp"

#include <algorithm>
#include <cstdint>
#include <exception>
#include <limits>
#include <utility>

#include "mtlspop/base/environment_variable.hpp"
#include "mtlspop/base/windows/wide_text.hpp"
#include "no_proxy.hpp"
#include "schannel/request_body.hpp"

// Newer than the cross compiler's headers; the numbers are those of the Windows SDK's winhttp.h.
#ifndef WINHTTP_OPTION_RESOLUTION_HOSTNAME
#define WINHTTP_OPTION_RESOLUTION_HOSTNAME 165
#endif

namespace mtlspop::schannel {
namespace {

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

/// Tells it on the executor: an observer may do what WinHTTP's threads, which wait for all requests, are not there for. Where
/// there is no memory for it, nobody is told.
void TellConnected(
    EventSink const& observer,
    Executor const& callbacks,
    std::string const& host,
    std::uint64_t connection,
    std::string const& x5tS256) noexcept {
  if (!observer.IsEnabled(Severity::Debug)) {
    return;
  }
  try {
    callbacks([observer, host, connection, x5tS256] {
      observer.Tell(
          Severity::Debug, "transport.connected",
          {{"host", host}, {"connection", static_cast<std::int64_t>(connection)}, {"x5t_s256", x5tS256}});
    });
  } catch (std::exception const&) {  // NOLINT(bugprone-empty-catch): as said above
  }
}

}  // namespace

void ThrowUnverified(std::string const& host) {
  throw Error{ErrorDetails{
      errors::ServerCertificateRejected, host + ": Windows does not say which certificate the server has",
      "This should not happen; report it together with this text"}};
}

void SetCertificate(AsyncRequest& sending, BindingCertificate const* binding) {
  if (binding == nullptr) {
    // Without this, WinHTTP refuses servers that merely offer to take a certificate.
    sending.SetOption(WINHTTP_OPTION_CLIENT_CERT_CONTEXT, WINHTTP_NO_CLIENT_CERT_CONTEXT, 0);
    return;
  }
  auto const context = MakeCertificateContext(*binding);
  sending.SetOption(WINHTTP_OPTION_CLIENT_CERT_CONTEXT, const_cast<CERT_CONTEXT*>(context.get()), sizeof(CERT_CONTEXT));
}

RequestOpening::RequestOpening(TransportOptions const& options, std::shared_ptr<WinHttpFunctions> functions)
    : options_(options),
      destinations_(options_),
      proxies_(options_.Proxy, &ReadEnvironmentVariable),
      direct_(DirectHosts(options_.Proxy)),
      trust_(std::make_shared<ServerTrust const>(options_.Tls.Trust)),
      ledger_(std::make_shared<ConnectionLedger>(options_.Observer, options_.Callbacks)),
      sessions_(std::make_shared<SessionPool>(std::move(functions), options_.Pool, options_.Time, ledger_)) {}

Plan RequestOpening::MakePlan(Request const& request, BindingCertificate const* binding) const {
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

AsyncRequest::Ptr RequestOpening::Open(
    Request const& request,
    Plan const& plan,
    std::shared_ptr<BindingCertificate const> const& binding,
    Context const& context,
    std::shared_ptr<Checked> const& checked) {
  RequestTarget target;
  target.Host = request.Target.Host();
  target.Port = plan.Where.Port;
  target.IsHttps = request.Target.IsHttps();
  target.Method = request.Method;
  target.Path = request.Target.Target();
  target.NameForErrors = request.Target.Host();
  auto const session = sessions_->Acquire(plan.Key, binding);
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
  SetTimeouts(*sending, context);
  return sending;
}

bool RequestOpening::Verifies(Request const& request, Plan const& plan) const {
  return request.Target.IsHttps() && (trust_->HasOwnRules() || plan.Where.IsOverridden);
}

/// Runs on a thread of WinHTTP's, when TLS stands and before the first byte of the request.
ConnectionCheck RequestOpening::MakeCheck(
    Request const& request, Plan const& plan, Session const& session, std::shared_ptr<Checked> checked) const {
  return [trust = trust_, ledger = ledger_, observer = options_.Observer, callbacks = options_.Callbacks,
          verifies = Verifies(request, plan), isHttps = request.Target.IsHttps(), host = request.Target.Host(),
          owner = session.ConnectionOwner(), x5tS256 = plan.Key.X5tS256,
          checked = std::move(checked)](ConnectionView const& view) {
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
      checked->Connection = ledger->Opened(view.LocalEndpoint, holder, host, x5tS256);
      TellConnected(observer, callbacks, host, checked->Connection, x5tS256);
    }
  };
}

void RequestOpening::Configure(AsyncRequest& sending, Request const& request, Plan const& plan) const {
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

  CleansedText fields;
  bool const namesHost = request.Fields.Contains("host");
  if (!namesHost && plan.Where.IsOverridden) {
    fields.Append(L"Host: ").AppendBytes(request.Target.HostHeader()).Append(L"\r\n");
  }
  for (auto const& [name, value] : request.Fields) {
    fields.AppendBytes(name).Append(L": ").AppendBytes(value).Append(L"\r\n");
  }
  fields.Append(RequestBodyFields(request));
  sending.AddHeaders(fields);
}

/// WinHTTP verifies as always, but for the questions that `ServerTrust::Verify` answers in its place, in full and before
/// a byte is sent.
void RequestOpening::SetSecurityFlags(AsyncRequest& sending, Plan const& plan, bool resolvesElsewhere) const {
  DWORD answeredHere = trust_->HasOwnRoots() ? SECURITY_FLAG_IGNORE_UNKNOWN_CA : 0U;
  if (plan.Where.IsOverridden && !resolvesElsewhere) {
    answeredHere |= SECURITY_FLAG_IGNORE_CERT_CN_INVALID;
  }
  if (answeredHere != 0) {
    sending.SetOption(WINHTTP_OPTION_SECURITY_FLAGS, &answeredHere, sizeof answeredHere);
  }
}

void RequestOpening::SetTimeouts(AsyncRequest& sending, Context const& context) const {
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

}  // namespace mtlspop::schannel
