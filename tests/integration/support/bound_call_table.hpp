#pragma once

/// @file
/// What is done about each thing that can happen to a request with a bound token: one table, for the class that decides
/// (`BoundCall`) and, over real sockets, for everything that drives it (bound_call_drivers.hpp).

#include <chrono>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "bound_call_credential.hpp"
#include "mtlspop/policies/bound_call.hpp"

namespace mtlspop::test {

/// What comes back for one request that was sent.
struct Came {
  enum class Kind {
    /// An answer.
    Answer,
    /// The handshake refuses the certificate: the request never arrives.
    CertificateRefused,
    /// The certificate's key does not sign the handshake: the request never arrives.
    KeyUnusable,
    /// The connection is lost before an answer.
    Cut,
  };
  Kind What = Kind::Answer;
  int Status = 200;
  std::string Field{};
  std::string FieldValue{};
  std::string Body{};
};

/// What a driver must be able to do for a row to make sense with it.
struct DriverNeeds {
  /// It asks the resource for the scopes.
  bool Learning = false;
  /// It repeats requests by itself, after the waits of `RetryOptions`.
  bool Retry = false;
  /// It takes a body that cannot be rewound.
  bool OnceBody = false;
  /// It takes `BoundCallOptions::Binding`.
  bool Binding = false;
};

enum class TableBody { None, Rewindable, Once };

/// One call of the application.
struct TableCall {
  /// What the other side does, in turn. All of it must happen.
  std::vector<Came> Script;
  /// The decisions; "" for those of the call before.
  std::string Decisions;
  /// What the application gets: a status, or the name of an error's code.
  int Status = 200;
  std::string Error{};
  /// What the credential is told.
  std::vector<std::string> Refusals{};
  /// How many tokens it has to fetch.
  int Fetched = 0;
  /// How many connections are made; -1 where it does not matter.
  int Connections = -1;
  std::string Method = "GET";
  TableBody Body = TableBody::None;
  /// What passes before the call.
  std::chrono::seconds After{0};
};

struct BoundCallRow {
  std::string Name;
  CredentialScript Credential;
  BoundCallOptions Options;
  std::vector<TableCall> Calls;
  DriverNeeds Needs{};
};

inline std::ostream& operator<<(std::ostream& stream, BoundCallRow const& row) { return stream << row.Name; }

namespace table {

inline Came Ok() { return {}; }
inline Came Status(int status) { return {Came::Kind::Answer, status}; }
inline Came Says(std::string code) {
  return {Came::Kind::Answer, 401, "", "", R"({"error":{"code":"Unauthorized","message":")" + code + R"("}})"};
}
inline Came Challenges(std::string challenge) {
  return {Came::Kind::Answer, 401, "WWW-Authenticate", std::move(challenge)};
}
inline Came Claims() { return Challenges(R"(Bearer error="insufficient_claims", claims="eyJhIjoxfQ==")"); }
inline Came Invalid() { return Challenges(R"(Bearer error="invalid_token")"); }
inline Came Wants(std::string const& tenant) {
  return Challenges("Bearer authorization=\"https://login.example/" + tenant + "\", resource=\"https://localhost\"");
}
inline Came Asks(int status, std::string field, std::string value) {
  return {Came::Kind::Answer, status, std::move(field), std::move(value)};
}
inline Came RefusesCertificate() { return {Came::Kind::CertificateRefused}; }
inline Came CannotSign() { return {Came::Kind::KeyUnusable}; }
inline Came Cuts() { return {Came::Kind::Cut}; }

inline BoundCallOptions WithScopes() {
  BoundCallOptions options;
  options.Scopes = {"https://localhost/.default"};
  return options;
}
inline BoundCallOptions With(std::optional<TokenBinding> binding) {
  auto options = WithScopes();
  options.Binding = binding;
  return options;
}
inline BoundCallOptions WithTenant(std::string tenant, std::vector<std::string> allowed = {}) {
  BoundCallOptions options;
  options.TenantId = std::move(tenant);
  options.AdditionallyAllowedTenants = std::move(allowed);
  return options;
}

inline TableCall Post(TableCall call) {
  call.Method = "POST";
  call.Body = TableBody::Rewindable;
  return call;
}
inline TableCall PutOnce(TableCall call) {
  call.Method = "PUT";
  call.Body = TableBody::Once;
  return call;
}
inline TableCall Later(std::chrono::seconds time, TableCall call) {
  call.After = time;
  return call;
}

inline constexpr char const* NotSupported = "MtlsClientPopTokenNotSupportedByResource";
inline constexpr char const* Mismatch = "CertificateValidationFailedTlsCertMismatch";
inline constexpr char const* CheckFailed = "[MtlsCnfClaimRequestDataValidationFailed]";
inline constexpr char const* BoundOnly = "BearerAuthenticationDisabledForKeyVault";

}  // namespace table

/// The answers that say something about the binding.
inline std::vector<BoundCallRow> RowsOfBindings() {
  using namespace table;
  using std::chrono::minutes;
  CredentialScript const required;
  CredentialScript preferred;
  preferred.Binding = TokenBinding::Preferred;
  CredentialScript limits;
  limits.LimitsReplacements = true;
  std::string const replacing = "ask; send b1.1; ask after binding_no_longer_good; send b2.1; ";
  std::string const fallingBack = "ask; send b1.1; ask for bearer; ";
  return {
      {"TakesBoundTokens", required, WithScopes(), {{{Ok()}, "ask; send b1.1; deliver 200", 200, "", {}, 1, 1}}},
      {"ForbidsWhatIsNoFaultOfTheBinding",
       required,
       WithScopes(),
       {{{{Came::Kind::Answer, 403, "", "", Mismatch}}, "ask; send b1.1; deliver 403", 403, "", {}, 1, 1}}},
      {"TakesOnlyBearerWhereBindingIsPreferred",
       preferred,
       WithScopes(),
       {{{Says(NotSupported), Ok()}, fallingBack + "send bearer.1; deliver 200", 200, "", {}, 2},
        {{Ok()}, "ask for bearer; send bearer.1; deliver 200"},
        Later(minutes{13}, {{Ok()}, "ask for bearer; send bearer.1; deliver 200"}),
        Later(minutes{1}, {{Ok()}, "ask; send b1.1; deliver 200"}),
        {{Ok()}, "ask; send b1.1; deliver 200"}}},
      {"TakesOnlyBearerOfAWrite",
       preferred,
       WithScopes(),
       {Post({{Says(NotSupported), Ok()}, fallingBack + "send bearer.1; deliver 200", 200, "", {}, 2})}},
      {"TakesOnlyBearerAndRefusesThatToo",
       preferred,
       WithScopes(),
       {{{Says(NotSupported), Status(401)}, fallingBack + "send bearer.1; deliver 401", 401, "", {}, 2},
        {{Ok()}, "ask; send b1.1; deliver 200"}}},
      {"TakesOnlyBearerWhereTheCredentialRequiresBinding",
       required,
       WithScopes(),
       {{{Says(NotSupported)}, fallingBack + "fail", 0, "resource_does_not_support_bound_tokens", {}, 1}}},
      {"TakesOnlyBearerWhereTheCallRequiresBinding",
       preferred,
       With(TokenBinding::Required),
       {{{Says("AADSTS392196: no")}, "ask bound; send b1.1; fail", 0, "resource_does_not_support_bound_tokens", {}, 1}},
       {false, false, false, true}},
      {"TakesOnlyBoundTokens",
       {TokenBinding::None},
       WithScopes(),
       {{{Says(BoundOnly)}, "ask; send bearer.1; fail", 0, "bearer_tokens_not_taken", {}, 1}}},
      {"TakesNeither",
       preferred,
       WithScopes(),
       {{{Says(NotSupported), Says(BoundOnly)},
         fallingBack + "send bearer.1; fail",
         0,
         "bearer_tokens_not_taken",
         {},
         2},
        {{Says(NotSupported)}, "ask; send b1.1; fail", 0, "resource_does_not_support_bound_tokens"}}},
      {"TakesBoundTokensOnlyFromNowOn",
       preferred,
       WithScopes(),
       {{{Says(NotSupported), Ok()}, fallingBack + "send bearer.1; deliver 200", 200, "", {}, 2},
        {{Says(BoundOnly), Ok()}, "ask for bearer; send bearer.1; ask; send b1.1; deliver 200"},
        {{Ok()}, "ask; send b1.1; deliver 200"}}},
      {"NoLongerTakesTheBinding",
       required,
       WithScopes(),
       {{{Says(Mismatch), Ok()}, replacing + "deliver 200", 200, "", {"binding_no_longer_good"}, 2, 2},
        {{Ok()}, "ask; send b2.1; deliver 200", 200, "", {}, 0, 0}}},
      {"NoLongerTakesTheBindingOfAWrite",
       required,
       WithScopes(),
       {Post({{Says("AADSTS1000901"), Ok()}, replacing + "deliver 200", 200, "", {"binding_no_longer_good"}, 2, 2})}},
      {"NoLongerTakesTheBindingOfWhatCannotBeSentAgain",
       required,
       WithScopes(),
       {PutOnce(
           {{Says(Mismatch)},
            "ask; send b1.1; ask after binding_no_longer_good; cannot rewind; deliver 401",
            401,
            "",
            {"binding_no_longer_good"},
            1})},
       {false, false, true}},
      {"NeverTakesTheBinding",
       required,
       WithScopes(),
       {{{Says("AADSTS500181"), Says("AADSTS500181")},
         replacing + "deliver 401",
         401,
         "",
         {"binding_no_longer_good"},
         2,
         2}}},
      {"NoLongerTakesTheBindingThatIsNotReplaced",
       limits,
       WithScopes(),
       {{{Says(Mismatch)},
         "ask; send b1.1; ask after binding_no_longer_good; deliver 401",
         401,
         "",
         {"binding_no_longer_good"},
         1,
         1}}},
      {"RefusesTheCertificateInTheHandshake",
       required,
       WithScopes(),
       {Post({{RefusesCertificate(), Ok()}, replacing + "deliver 200", 200, "", {"binding_no_longer_good"}, 2, 2})}},
      {"RefusesEveryCertificateInTheHandshake",
       required,
       WithScopes(),
       {{{RefusesCertificate(), RefusesCertificate()},
         replacing + "fail",
         0,
         "binding_certificate_rejected",
         {"binding_no_longer_good"},
         2,
         2}}},
      {
          "HasAKeyThatCannotSign",
          required,
          WithScopes(),
          {Post(
              {{CannotSign(), Ok()},
               "ask; send b1.1; ask after private_key_unusable; send b2.1; deliver 200",
               200,
               "",
               {"private_key_unusable"},
               2})},
      },
      {
          "HasNoKeyThatCanSign",
          required,
          WithScopes(),
          {{{CannotSign(), CannotSign()},
            "ask; send b1.1; ask after private_key_unusable; send b2.1; fail",
            0,
            "private_key_unusable",
            {"private_key_unusable"},
            2}},
      },
      {"RefusesTheCertificateThatIsNotReplaced",
       limits,
       WithScopes(),
       {{{RefusesCertificate()},
         "ask; send b1.1; ask after binding_no_longer_good; fail",
         0,
         "binding_certificate_rejected",
         {"binding_no_longer_good"},
         1,
         1}}},
      {"MissesTheCertificate",
       required,
       WithScopes(),
       {{{Says("MissingClientCertificate")}, "ask; send b1.1; deliver 401", 401, "", {}, 1, 1},
        {{Says("Client certificate required for using MTLS_POP token")}, "ask; send b1.1; deliver 401", 401}}},
      {"Redirects",
       required,
       WithScopes(),
       {{{Asks(307, "Location", "https://elsewhere.example/")}, "ask; send b1.1; fail", 0, "redirect_refused", {}, 1}}},
  };
}

/// The answers that ask for another token.
inline std::vector<BoundCallRow> RowsOfTokens() {
  using namespace table;
  using std::chrono::minutes;
  CredentialScript const required;
  CredentialScript throttled;
  throttled.Failures = {{"token_service_unavailable", true, std::chrono::seconds{7}}};
  CredentialScript down;
  down.Failures = {{"token_service_unavailable", true, {}}};
  CredentialScript throttledForLong;
  throttledForLong.Failures = {{"token_service_unavailable", true, std::chrono::seconds{3600}}};
  CredentialScript notEligible;
  notEligible.Failures = {{"tenant_not_eligible_for_bound_tokens", false, {}}};
  TableCall const refreshing{
      {Invalid(), Ok()},
      "ask; send b1.1; ask after token_rejected; send b1.2; deliver 200",
      200,
      "",
      {"token_rejected"},
      2,
      1};
  auto const limited = [](Came const& came, std::string const& what, bool isTold) {
    std::vector<TableCall> calls;
    for (int i = 1; i <= 3; ++i) {
      auto const now = std::to_string(i);
      auto const next = std::to_string(i + 1);
      calls.push_back(
          {{came, Ok()},
           "ask; send b1." + now + "; " + what + "; send b1." + next + "; deliver 200",
           200,
           "",
           isTold ? std::vector<std::string>{"token_rejected"} : std::vector<std::string>{},
           i == 1 ? 2 : 1});
    }
    calls.push_back({{came}, "ask; send b1.4; ask; deliver 401", 401});
    calls.push_back(Later(
        minutes{6}, {{came, Ok()},
                     "ask; send b1.4; " + what + "; send b1.5; deliver 200",
                     200,
                     "",
                     isTold ? std::vector<std::string>{"token_rejected"} : std::vector<std::string>{},
                     1}));
    return calls;
  };
  return {
      {"CallsATokenInvalid", required, WithScopes(), {refreshing, {{Ok()}, "ask; send b1.2; deliver 200"}}},
      {"CallsEveryTokenInvalid",
       required,
       WithScopes(),
       {{{Invalid(), Invalid()},
         "ask; send b1.1; ask after token_rejected; send b1.2; deliver 401",
         401,
         "",
         {"token_rejected"},
         2,
         1}}},
      {"CallsATokenInvalidWithEachRequest", required, WithScopes(),
       limited(Invalid(), "ask after token_rejected", true)},
      {"WantsClaims",
       required,
       WithScopes(),
       {Post({{Claims(), Ok()}, "ask; send b1.1; ask with claims; send b1.2; deliver 200", 200, "", {}, 2, 1}),
        {{Ok()}, "ask; send b1.2; deliver 200"}}},
      {"WantsClaimsAgain",
       required,
       WithScopes(),
       {{{Claims(), Claims()}, "ask; send b1.1; ask with claims; send b1.2; deliver 401", 401, "", {}, 2, 1}}},
      {"WantsClaimsWithEachRequest", required, WithScopes(), limited(Claims(), "ask with claims", false)},
      {"RefusesWithoutAReason",
       required,
       WithScopes(),
       {{{Status(401)}, "ask; send b1.1; deliver 401", 401, "", {}, 1}}},
      {"IsSentNothingUntilTheTokenServiceMayBeAsked",
       throttled,
       WithScopes(),
       {{{Ok()}, "ask; wait 7875; ask; send b1.1; deliver 200", 200, "", {}, 2}},
       {false, true}},
      {"IsSentNothingWhereTheTokenServiceMayNotBeAskedForLong",
       throttledForLong,
       WithScopes(),
       {{{}, "ask; fail", 0, "token_service_unavailable", {}, 1}}},
      {"IsSentNothingWhereTheTokenServiceIsDown",
       down,
       WithScopes(),
       {{{}, "ask; fail", 0, "token_service_unavailable", {}, 1}}},
      {"IsSentNothingWhereTheTenantIsNotEligible",
       notEligible,
       WithScopes(),
       {{{}, "ask; fail", 0, "tenant_not_eligible_for_bound_tokens", {}, 1}}},
  };
}

/// What is worth another attempt.
inline std::vector<BoundCallRow> RowsOfRetries() {
  using namespace table;
  CredentialScript const required;
  DriverNeeds const retry{false, true};
  std::string const aggregated = "[AggregatedAuthenticationFailure] Error validating token: 'S2S17001'";
  return {
      {"CannotCheckTheBindingAtOnce",
       required,
       WithScopes(),
       {Post(
           {{Says(CheckFailed), Says(aggregated), Ok()},
            "ask; send b1.1; wait 800; ask bound; send b1.1; wait 1600; ask bound; send b1.1; deliver 200",
            200,
            "",
            {},
            1,
            1})},
       retry},
      {"CannotCheckTheBindingAtAll",
       required,
       WithScopes(),
       {{{Says(CheckFailed), Says(CheckFailed), Says(CheckFailed), Says(CheckFailed)},
         "ask; send b1.1; wait 800; ask bound; send b1.1; wait 1600; ask bound; send b1.1; wait 3200; ask bound; send "
         "b1.1; deliver 401",
         401,
         "",
         {},
         1,
         1}},
       retry},
      {"RefusesTheBindingAndIsUnavailableInTurn",
       required,
       WithScopes(),
       {{{Says(Mismatch), Status(503), Says(Mismatch)},
         "ask; send b1.1; ask after binding_no_longer_good; send b2.1; wait 800; ask; send b2.1; deliver 401",
         401,
         "",
         {"binding_no_longer_good"},
         2,
         2}},
       retry},
      {"CallsTokensInvalidAndIsUnavailableInTurn",
       required,
       WithScopes(),
       {{{Invalid(), Status(503), Invalid()},
         "ask; send b1.1; ask after token_rejected; send b1.2; wait 800; ask; send b1.2; deliver 401",
         401,
         "",
         {"token_rejected"},
         2,
         1}},
       retry},
      {"AsksForTime",
       required,
       WithScopes(),
       {Post(
           {{Asks(429, "Retry-After", "7"), Asks(503, "retry-after-ms", "150"), Ok()},
            "ask; send b1.1; wait 7875; ask; send b1.1; wait 168; ask; send b1.1; deliver 200",
            200,
            "",
            {},
            1,
            1})},
       retry},
      {"AsksForTooMuchTime",
       required,
       WithScopes(),
       {{{Asks(429, "Retry-After", "3600")}, "ask; send b1.1; deliver 429", 429, "", {}, 1}},
       retry},
      {"MayHaveActed",
       required,
       WithScopes(),
       {Post({{Status(500)}, "ask; send b1.1; deliver 500", 500, "", {}, 1}),
        {{Status(500), Ok()}, "ask; send b1.1; wait 800; ask; send b1.1; deliver 200"}},
       retry},
      {"CutsTheConnection",
       required,
       WithScopes(),
       {{{Cuts(), Ok()}, "ask; send b1.1; wait 800; ask; send b1.1; deliver 200", 200, "", {}, 1, 2}},
       retry},
  };
}

/// What a resource says about the token it wants, where nobody else does.
inline std::vector<BoundCallRow> RowsOfChallenges() {
  using namespace table;
  CredentialScript const required;
  DriverNeeds const learning{true};
  return {
      {"SaysWhatItWants",
       required,
       {},
       {{{Wants("a"), Ok()}, "send nothing; ask a; send a/b1.1; deliver 200", 200, "", {}, 1},
        {{Ok()}, "ask a; send a/b1.1; deliver 200"}},
       learning},
      {"SaysWhatItWantsBeforeAWrite",
       required,
       {},
       {Post({{Wants("a"), Ok()}, "send question; ask a; send a/b1.1; deliver 200", 200, "", {}, 1})},
       learning},
      {"SaysNothing", required, {}, {{{Status(401)}, "send nothing; fail", 0, "scopes_unknown"}}, learning},
      {"WantsNothing",
       required,
       {},
       {{{Ok()}, "send nothing; deliver 200"}, {{Ok()}, "send nothing; deliver 200"}},
       learning},
      {"WantsATokenForAnotherResource",
       required,
       {},
       {{{Challenges(R"(Bearer resource="https://graph.microsoft.com")")},
         "send nothing; fail",
         0,
         "challenge_rejected"}},
       learning},
      {"WantsAStrangeTenant",
       required,
       {},
       {{{Wants("...")}, "send nothing; fail", 0, "challenge_rejected"},
        {{Wants(std::string(300, 'a'))}, "send nothing; fail", 0, "challenge_rejected"},
        {{Wants("Common"), Ok()}, "send nothing; ask; send b1.1; deliver 200", 200, "", {}, 1}},
       learning},
      {"WantsAnotherTenantThanBefore",
       required,
       {},
       {{{Wants("a"), Ok()}, "send nothing; ask a; send a/b1.1; deliver 200", 200, "", {}, 1},
        {{Wants("b"), Ok()}, "ask a; send a/b1.1; ask b; send b/b1.1; deliver 200", 200, "", {}, 1},
        {{Ok()}, "ask b; send b/b1.1; deliver 200"}},
       learning},
      {"WantsAnotherTenantWithEachRequest",
       required,
       {},
       {{{Wants("a"), Wants("b"), Wants("a")},
         "send nothing; ask a; send a/b1.1; ask b; send b/b1.1; deliver 401",
         401,
         "",
         {},
         2}},
       learning},
      {"WantsAnotherTenantThanConfigured",
       required,
       WithTenant("mine"),
       {{{Wants("other"), Ok()}, "send nothing; ask mine; send mine/b1.1; deliver 200", 200, "", {}, 1}},
       learning},
      {"WantsAnAllowedTenant",
       required,
       WithTenant("mine", {"third", "OTHER"}),
       {{{Wants("other"), Ok()}, "send nothing; ask other; send other/b1.1; deliver 200", 200, "", {}, 1}},
       learning},
      {"WantsAnyTenant",
       required,
       WithTenant("mine", {"*"}),
       {{{Wants("other"), Ok()}, "send nothing; ask other; send other/b1.1; deliver 200", 200, "", {}, 1}},
       learning},
  };
}

/// The names of the tokens in the decisions "send NAME;".
inline std::vector<std::string> TokensSentBy(std::string const& decisions) {
  std::vector<std::string> tokens;
  std::string const verb = "send ";
  for (auto at = decisions.find(verb); at != std::string::npos; at = decisions.find(verb, at)) {
    at += verb.size();
    tokens.push_back(decisions.substr(at, decisions.find(';', at) - at));
  }
  return tokens;
}

inline std::vector<BoundCallRow> AllBoundCallRows() {
  std::vector<BoundCallRow> rows;
  for (auto* const part : {&RowsOfBindings, &RowsOfTokens, &RowsOfRetries, &RowsOfChallenges}) {
    for (auto& row : part()) rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace mtlspop::test
