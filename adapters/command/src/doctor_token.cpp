#include "claims.hpp"
#include "examination.hpp"
#include "mtlspop/transport/redact.hpp"
#include "text.hpp"

namespace mtlspop::command {
namespace {

namespace chrono = std::chrono;
using nlohmann::ordered_json;

/// Below this an application's certificate, which people renew, is worth a word. Those that the metadata service issues live
/// for hours and are renewed without anybody.
constexpr auto RenewFrom = chrono::hours{24 * 14};

Finding ExamineCertificate(Examination const& examination, AccessToken const& token) {
  Finding finding{"certificate"};
  if (!token.Binding) {
    finding.Is = Verdict::Skipped;
    finding.Figure = "The token is bound to none";
    return finding;
  }
  auto const& certificate = *token.Binding;
  auto const now = chrono::system_clock::now();
  auto const left = certificate.NotAfter() - now;
  finding.Figure = "Valid until " + FormatTime(certificate.NotAfter()) + " (" + FormatDuration(left) +
                   " left), key of strength " + std::string{ToString(certificate.Strength())} +
                   (token.Attested ? ", attested" : "");
  finding.Lines = {
      "subject " + certificate.Subject(), "x5t#S256 " + certificate.X5tS256(),
      "SHA-1 thumbprint " + certificate.Sha1Thumbprint()};
  finding.Facts = {
      {"subject", certificate.Subject()},
      {"not_before", FormatTime(certificate.NotBefore())},
      {"not_after", FormatTime(certificate.NotAfter())},
      {"x5t#S256", certificate.X5tS256()},
      {"sha1_thumbprint", certificate.Sha1Thumbprint()},
      {"sha256_thumbprint", certificate.Sha256Thumbprint()},
      {"strength", ToString(certificate.Strength())},
      {"attested", token.Attested}};
  if (!certificate.IsValidAt(now)) {
    finding.Is = Verdict::Failed;
    finding.Exit = ExitCode::ClientCertificate;
    finding.Figure = certificate.Subject() + " is valid from " + FormatTime(certificate.NotBefore()) + " to " +
                     FormatTime(certificate.NotAfter()) + ", and it is " + FormatTime(now);
    finding.Action = "Renew the certificate, or set this machine's clock";
  } else if (!UsesManagedIdentity(examination.Identity) && left < RenewFrom) {
    finding.Is = Verdict::Warning;
    finding.Action = "Renew the certificate; a running process picks the new file up";
  }
  return finding;
}

void JudgeBinding(AccessToken const& token, std::string const& boundTo, Finding& finding) {
  if (!token.Binding) {
    finding.Is = Verdict::Warning;
    finding.Action = "This is a bearer token, and whoever steals it can use it: leave out --binding";
  } else if (boundTo != token.Binding->X5tS256()) {
    finding.Is = Verdict::Failed;
    finding.Exit = ExitCode::TokenServiceRefused;
    finding.Action = "Do not use it: it is bound to another certificate than the one it was asked for with";
  }
}

Finding ExamineClaims(AccessToken const& token) {
  Finding finding{"token"};
  auto const claims = ReadClaims(token.Token.Reveal());
  if (!claims) {
    finding.Is = token.Binding ? Verdict::Failed : Verdict::Note;
    finding.Exit = token.Binding ? ExitCode::TokenServiceRefused : ExitCode::Success;
    finding.Figure = "A token that says nothing to its client (no JWT)";
    return finding;
  }
  auto const of = [&](char const* name) { return Redact(TextOf(*claims, name)); };
  auto const application = of("appid").empty() ? of("azp") : of("appid");
  auto const boundTo = BoundTo(*claims);
  finding.Figure = std::string{ToString(token.Type)} + " for " + of("aud") + ", expires " + FormatTime(token.ExpiresOn);
  finding.Lines = {"tenant " + of("tid"), "application " + application, "object id " + of("oid")};
  if (!boundTo.empty()) finding.Lines.push_back("cnf " + boundTo);
  finding.Facts = {
      {"token_type", ToString(token.Type)},
      {"audience", of("aud")},
      {"tenant", of("tid")},
      {"application", application},
      {"object_id", of("oid")},
      {"expires_on", FormatTime(token.ExpiresOn)},
      {"cnf_x5t#S256", boundTo}};
  JudgeBinding(token, boundTo, finding);
  return finding;
}

}  // namespace

std::vector<Finding> ExamineToken(Examination const& examination, AccessToken const& token) {
  return {ExamineCertificate(examination, token), ExamineClaims(token)};
}

}  // namespace mtlspop::command
