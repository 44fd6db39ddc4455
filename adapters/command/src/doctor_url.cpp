#include <algorithm>

#include "azure_hosts.hpp"
#include "examination.hpp"
#include "mtlspop/policies/bound_pipeline.hpp"
#include "mtlspop/transport/redact.hpp"
#include "outside_json.hpp"
#include "text.hpp"

namespace mtlspop::command {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t MostRefusalBytes = std::size_t{64} * 1024;

/// Who issues the certificates of Azure's own services.
constexpr std::string_view KnownIssuers[] = {"Microsoft", "DigiCert"};

bool IsKnownHost(std::string const& host) { return !ScopeOfHost(host).empty(); }

bool IsIssuerOfAzure(std::string const& issuer) {
  return std::any_of(std::begin(KnownIssuers), std::end(KnownIssuers), [&](std::string_view known) {
    return issuer.find("O=" + std::string{known}) != std::string::npos;
  });
}

/// What is asked for: at a vault's own address the cheapest call that needs a token, since "/" needs none.
Url WhatToAsk(Url const& target) {
  auto const isVault = target.Host().find(".vault.") != std::string::npos;
  if (!isVault || target.Target() != "/") return target;
  return Url::Parse(target.GetOrigin().ToString() + "/secrets?api-version=7.4&maxresults=1");
}

char const* DescribeAsked(CertificateAsked asked) noexcept {
  switch (asked) {
    case CertificateAsked::InFirstHandshake:
      return "the certificate was asked for in the first handshake";
    case CertificateAsked::ByRenegotiation:
      return "the certificate was asked for by renegotiation, after the request";
    case CertificateAsked::AfterHandshake:
      return "the certificate was asked for after the handshake, of a client that announced it";
    case CertificateAsked::Never:
      return "nobody asked for the certificate";
    case CertificateAsked::NotKnown:
      break;
  }
  return "when the certificate was asked for is not known";
}

std::string LeaveOut(std::string const& host) {
  return "something on the way ends TLS (a proxy that inspects, a private gateway, an emulator), and a certificate "
         "does not "
         "get past it. Have " +
         host + " left out of the inspection";
}

/// Who issued the server's certificate that this error is about, as its text has it; "" where it is about something else.
std::string IssuerRefused(std::exception const& error, std::string const& host) {
  if (auto const* const own = dynamic_cast<Error const*>(&error); own != nullptr) {
    auto const& what = own->Details().What;
    auto const begin = what.find(", issued by ");
    auto const end = what.rfind(", was refused: ");
    bool const isAboutHost = what.find("certificate of " + host) != std::string::npos;
    if (own->Code() == errors::ServerCertificateRejected && isAboutHost && begin < end && end != std::string::npos) {
      auto const first = begin + std::string_view{", issued by "}.size();
      return what.substr(first, end - first);
    }
  }
  try {
    std::rethrow_if_nested(error);
  } catch (std::exception const& cause) {
    return IssuerRefused(cause, host);
  } catch (...) {
    // Not of this library.
  }
  return {};
}

/// What can be said of a connection of which nothing is left but an error. Whoever inspects TLS is seen here most often: nobody
/// trusts his authority, and to trust it would not help.
Finding ExamineFailedConnection(Url const& target, Error const& error) {
  Finding finding{"connection", Verdict::Skipped, "There was no answer: see the next step"};
  auto const issuer = IssuerRefused(error, target.Host());
  if (issuer.empty()) return finding;
  finding.Figure = "The server's certificate was issued by " + issuer + ", and refused";
  finding.Facts["server_issuer"] = issuer;
  bool const isInBetween = IsKnownHost(target.Host()) && !IsIssuerOfAzure(issuer);
  finding.Facts["tls_ends_on_the_way"] = isInBetween;
  finding.Is = Verdict::Failed;
  finding.Exit = ExitCodeOf(error);
  finding.Action = isInBetween ? "This is no issuer of Azure's: " + LeaveOut(target.Host()) : error.Details().Action;
  return finding;
}

Finding ExamineConnection(Url const& target, ConnectionInfo const& connection) {
  Finding finding{"connection"};
  auto const issuer = connection.Server ? Redact(connection.Server->Issuer) : std::string{};
  finding.Figure = connection.TlsVersion + ", " + DescribeAsked(connection.Asked) +
                   (issuer.empty() ? "" : "; the server's certificate was issued by " + issuer);
  finding.Facts = {{"tls_version", connection.TlsVersion}, {"certificate_asked", ToString(connection.Asked)}};
  if (connection.Server) {
    finding.Facts["server_issuer"] = issuer;
    finding.Facts["server_subject"] = Redact(connection.Server->Subject);
    finding.Facts["server_not_after"] = FormatTime(connection.Server->NotAfter);
  }
  auto const isInBetween = IsKnownHost(target.Host()) && !issuer.empty() && !IsIssuerOfAzure(issuer);
  finding.Facts["tls_ends_on_the_way"] = isInBetween;
  if (isInBetween) {
    finding.Is = Verdict::Warning;
    finding.Action = "This is no issuer of Azure's: " + LeaveOut(target.Host());
  }
  return finding;
}

/// The service's own words of why, without what could be a secret.
std::string WhyRefused(Response& response, Context const& context) {
  try {
    auto const body = ParseOutsideJson(ReadToEnd(*response.Body, MostRefusalBytes, context));
    auto const* error = body.is_object() && body.contains("error") ? &body.at("error") : nullptr;
    if (error == nullptr || !error->is_object()) return {};
    std::string why;
    for (char const* const name : {"code", "message"}) {
      if (error->contains(name) && error->at(name).is_string()) {
        why += (why.empty() ? " (" : ": ") + error->at(name).get<std::string>();
      }
    }
    return why.empty() ? why : Redact(why) + ")";
  } catch (Error const&) {
    return {};
  }
}

/// A resource that takes a bound token without a look at the certificate takes it from a thief as well.
void JudgeEnforcement(bool isBound, CertificateAsked asked, Finding& finding) {
  if (finding.Is != Verdict::Ok || !isBound || asked != CertificateAsked::Never) return;
  finding.Is = Verdict::Warning;
  finding.Action =
      "The resource took a bound token and never asked for the certificate: it does not enforce the binding";
}

void JudgeStatus(int status, bool wasAsked, Finding& finding) {
  if (status == 401) {
    finding.Is = Verdict::Failed;
    finding.Exit = ExitCode::ResourceRefused;
    finding.Action = wasAsked
                         ? "The resource did not take token or certificate: see what it says, the clock below, and "
                           "whether the identity's tenant is the resource's"
                         : "The resource did not see the certificate: something on the way ends TLS, or this host "
                           "never asks for it";
  } else if (status == 403) {
    finding.Is = Verdict::Warning;
    finding.Action =
        "Token and certificate were taken. Grant the identity access to this resource, where it should have it";
  } else if (status >= 500 || status == 429 || status == 408) {
    finding.Is = Verdict::Failed;
    finding.Exit = ExitCode::HttpStatus;
    finding.Action = "The resource has trouble of its own: try again later";
  } else if (status >= 400) {
    finding.Is = Verdict::Note;
    finding.Action = "Token and certificate did not keep the resource from looking; check the URL";
  }
}

}  // namespace

std::vector<Finding> ExamineUrl(Examination const& examination, std::shared_ptr<TokenCredential> const& credential) {
  auto const target = WhatToAsk(*examination.Target);
  BoundPipelineOptions options;
  options.Scopes = examination.Scopes;
  options.Binding = ParseBinding(examination.Identity.Binding);
  options.AdditionallyAllowedTenants = examination.Identity.AllowedTenants;
  options.Retry.MaximumRetries = 0;
  options.Observer = examination.Surroundings.Observer;
  try {
    auto const pipeline = MakeBoundPipeline(credential, examination.Surroundings.Transport, std::move(options));
    PipelineRequest request{{"GET", target}};
    auto const begin = std::chrono::steady_clock::now();
    auto const response = pipeline.Send(request, examination.Until);
    auto const took = std::chrono::steady_clock::now() - begin;
    Finding finding{"url"};
    auto const status = response->StatusCode;
    finding.Facts = {
        {"url", target.GetOrigin().ToString() + std::string{target.Path()}},
        {"status", status},
        {"milliseconds", std::chrono::duration_cast<std::chrono::milliseconds>(took).count()},
        {"bound", request.Binding != nullptr}};
    auto const connection = response->Connection;
    finding.Figure = "GET " + target.GetOrigin().ToString() + std::string{target.Path()} + " was answered " +
                     std::to_string(status) + " in " + FormatDuration(took) +
                     (status >= 400 ? WhyRefused(*response, examination.Until) : "");
    JudgeStatus(status, connection.Asked != CertificateAsked::Never, finding);
    JudgeEnforcement(request.Binding != nullptr && !connection.Resumed, connection.Asked, finding);
    return {ExamineConnection(target, connection), std::move(finding)};
  } catch (Error const& error) {
    auto connection = ExamineFailedConnection(target, error);
    auto failed =
        Failure("url", "GET " + target.GetOrigin().ToString() + std::string{target.Path()} + " failed", error);
    // The usual advice, to trust the authority, would let whoever inspects see everything, and bind nothing.
    if (connection.Facts.value("tls_ends_on_the_way", false)) failed.Action = "See what the connection shows, above";
    return {std::move(connection), std::move(failed)};
  }
}

}  // namespace mtlspop::command
