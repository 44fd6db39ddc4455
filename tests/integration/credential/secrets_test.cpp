// Never a token, JWT, key or certificate request in what is written: everything this library can do is done, and everything
// that can fail does, at the most talkative level, against an emulator that keeps all that went over the wire.
#include <algorithm>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include <openssl/evp.h>
#include <openssl/pem.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "emulator.hpp"
#include "emulator_attestation.hpp"
#include "mtlspop/credential/chained_credential.hpp"
#include "mtlspop/credential/client_assertion_credential.hpp"
#include "mtlspop/credential/client_certificate_credential.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/credential/openssl.hpp"
#include "mtlspop/policies/bound_pipeline.hpp"
#include "mtlspop/transport/log.hpp"

#include "support/error_code_of.hpp"
#include "support/event.hpp"
#include "support/manual_clock.hpp"
#include "support/secret_search.hpp"
#include "support/temporary_directory.hpp"
#include "support/test_certificate_authority.hpp"

namespace mtlspop::test {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;

/// All log lines and exception texts.
///
/// Thread safety: all members may be called from any thread.
class Written final {
 public:
  void Add(std::string_view line) {
    std::lock_guard<std::mutex> const lock{mutex_};
    text_.append(line).append(1, '\n');
  }
  std::string Text() const {
    std::lock_guard<std::mutex> const lock{mutex_};
    return text_;
  }
  EventSink MakeObserver() {
    return MakeLog([this](Severity, std::string_view line) { Add(line); }, Severity::Debug);
  }

 private:
  mutable std::mutex mutex_;
  std::string text_;
};

/// Software keys whose private halves the test can look for.
class KnownKeys final : public KeyProvider {
 public:
  explicit KnownKeys(SecretSearch& secrets) : secrets_(secrets) {}
  KeyStrength HighestStrength() const noexcept override { return KeyStrength::Software; }
  gsl::not_null<std::shared_ptr<BindingKey const>> GetOrCreateKey(KeyRequest const&, Context const&) override {
    std::lock_guard<std::mutex> const lock{mutex_};
    // A few are enough, since making one takes a tenth of a second.
    if (keys_.size() < 3) keys_.push_back(MakeKey());
    return openssl::WrapBindingKey(gsl::make_not_null(keys_[made_++ % keys_.size()].get()), KeyStrength::Software);
  }
  void AddPem(std::string const& pem) {
    for (std::size_t start = 0; start < pem.size(); start = pem.find('\n', start) + 1) {
      auto const line = pem.substr(start, pem.find('\n', start) - start);
      if (line.find("-----") == std::string::npos) secrets_.Add("private_key", line);
    }
  }

 private:
  std::shared_ptr<EVP_PKEY> MakeKey() {
    std::shared_ptr<EVP_PKEY> key{EVP_RSA_gen(2048), EVP_PKEY_free};
    std::shared_ptr<BIO> const memory{BIO_new(BIO_s_mem()), BIO_free};
    PEM_write_bio_PrivateKey(memory.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    char* text = nullptr;
    auto const size = BIO_get_mem_data(memory.get(), &text);
    AddPem({text, static_cast<std::size_t>(size)});
    return key;
  }

  std::mutex mutex_;
  SecretSearch& secrets_;
  std::vector<std::shared_ptr<EVP_PKEY>> keys_;
  std::size_t made_ = 0;
};

/// What a credential or pipeline of this test needs, all of it writing to one place.
class TalkativeWorld {
 public:
  TalkativeWorld() {
    auto options = emulator_.MakeTransportOptions();
    options.Observer = Lines.MakeObserver();
    transport_ = MakeHttpTransport(options).get();
    emulator_.Control(
        "apps", {{"client_id", AppId},
                 {"tenant_id", TenantId},
                 {"certificate_pem", certificate_.CertificatePem},
                 {"federated", true},
                 {"vault_access", true}});
    keys_->AddPem(certificate_.PrivateKeyPem);
    Secrets.Add("password", Password);
  }

  ManagedIdentityCredentialOptions IdentityOptions() {
    auto options = emulator_.CredentialOptions();
    options.Transport = transport_;
    options.Keys = keys_;
    options.Time = std::shared_ptr<Clock>{Time};
    options.Observer = Lines.MakeObserver();
    options.Attest = true;
    options.Attestation = std::make_shared<EmulatorAttestationProvider>(transport_);
    options.ClientCapabilities = {"cp1"};
    return options;
  }

  ClientCertificateCredentialOptions AppOptions() {
    ClientCertificateCredentialOptions options;
    options.TenantId = TenantId;
    options.ClientId = AppId;
    options.CertificatePath = Directory.WriteFile("app.pem", certificate_.CertificatePem + certificate_.PrivateKeyPem);
    options.Password = Secret{std::string_view{Password}};
    options.Transport = transport_;
    options.Time = std::shared_ptr<Clock>{Time};
    options.Observer = Lines.MakeObserver();
    return options;
  }

  ClientAssertionCredentialOptions FederatedOptions() {
    ClientAssertionCredentialOptions options;
    options.TenantId = TenantId;
    options.ClientId = AppId;
    options.Transport = transport_;
    options.Time = std::shared_ptr<Clock>{Time};
    options.Observer = Lines.MakeObserver();
    options.Assertion = std::make_shared<ManagedIdentityCredential>(IdentityOptions());
    return options;
  }

  HttpPipeline Pipeline(std::shared_ptr<TokenCredential> credential) {
    BoundPipelineOptions options;
    options.Time = Time;
    options.Observer = Lines.MakeObserver();
    return MakeBoundPipeline(gsl::make_not_null(std::move(credential)), gsl::make_not_null(transport_), options);
  }

  PipelineRequest SecretRequest() const {
    return {
        {"GET", Url::Parse(
                    "https://" + emulator_.Startup().at("vault_host").get<std::string>() +
                    "/secrets/boundsecret?api-version=7.4")},
        nullptr};
  }

  /// Does it, and keeps what it throws.
  template <typename Call>
  void Do(Call&& call) {
    try {
      call();
    } catch (Error const& error) {
      Lines.Add(DescribeWithCauses(error));
      Lines.Add(error.what());
    }
  }

  /// Lets `service` fail the next call so, and does it.
  template <typename Call>
  void DoWith(std::string const& service, json const& fault, Call&& call) {
    emulator_.ArmFault({{"service", service}, {"fault", fault}});
    Do(call);
  }

  /// The text of an error that repeats the last secrets that were sent, as a service may.
  std::string Echo() const {
    std::string text = "AADSTS900000: what you sent was";
    auto const secrets = emulator_.Get("wire-secrets");
    for (auto i = secrets.size() - std::min<std::size_t>(secrets.size(), 6); i < secrets.size(); ++i) {
      text += " " + secrets.at(i).at("value").get<std::string>();
    }
    return text;
  }

  /// Adds all that went over the wire.
  void AddWireSecrets() {
    for (auto const& secret : emulator_.Get("wire-secrets")) {
      Secrets.Add(secret.at("kind"), secret.at("value").get<std::string>());
    }
  }

  Emulator const& Peer() const noexcept { return emulator_; }

  /// Has the credential ask the services, whatever it has in its cache.
  static void GetAnew(TokenCredential& credential) {
    auto const token = credential.GetToken(VaultRequest(), {});
    if (token.Source != TokenSource::Cache) return;
    credential.ReportRefusal(VaultRequest(), token, RefusalReason::TokenRejected);
    credential.GetToken(VaultRequest(), {});
  }

  std::string const AppId = "aaaaaaaa-1111-2222-3333-444444444444";
  std::string const TenantId = "bbbbbbbb-1111-2222-3333-444444444444";
  std::string const Password = "correct horse battery staple";
  Written Lines;
  SecretSearch Secrets;
  TemporaryDirectory Directory;
  std::shared_ptr<ManualClock> Time = std::make_shared<ManualClock>();

 private:
  Emulator emulator_{{"--record-secrets", "--require-attestation"}};
  TestCertificateAuthority authority_;
  IssuedCertificate certificate_ = authority_.IssueForClient("app", KeyKind::Rsa2048);
  std::shared_ptr<KnownKeys> keys_ = std::make_shared<KnownKeys>(Secrets);
  std::shared_ptr<HttpTransport> transport_;
};

/// Sections 2 to 5: each thing that may go wrong with the services, and what goes right in between.
void UseManagedIdentity(TalkativeWorld& world) {
  auto options = world.IdentityOptions();
  options.Store = MakeFileBindingStore({world.Directory.PathOf("store"), world.Lines.MakeObserver()}).get();
  {
    ManagedIdentityCredential credential{options};
    auto const get = [&] { TalkativeWorld::GetAnew(credential); };
    world.Do(get);
    for (json const& fault :
         {json{{"aadsts", "AADSTS1000901"}}, json{{"aadsts", "AADSTS392196"}}, json{{"aadsts", "AADSTS51000"}},
          json{{"wrong_cnf", true}}, json{{"no_cnf", true}}, json{{"not_a_jwt", true}}, json{{"token_type", "Bearer"}},
          json{{"malformed_json", true}}, json{{"missing_field", "access_token"}}, json{{"cut", "mid-response"}},
          json{{"reject_handshake", "revoked"}},
          json{{"status", 302}, {"headers", {{"Location", "https://a.example"}}}},
          json{{"status", 400}, {"body", {{"error", "invalid_request"}, {"error_description", world.Echo()}}}},
          json{{"status", 503}, {"body", {{"error", world.Echo()}}}}}) {
      world.DoWith("sts", fault, get);
    }
  }
  for (json const& fault :
       {json{{"certificate_for_other_key", true}}, json{{"expired_certificate", true}}, json{{"malformed_json", true}},
        json{{"server_header", "nginx"}}, json{{"cut", "mid-response"}},
        json{{"status", 400}, {"body", {{"error", "bad_request"}, {"error_description", world.Echo()}}}}}) {
    world.Peer().ArmFault({{"path", "/metadata/identity/issuecredential"}, {"fault", fault}});
    world.Do([&] { ManagedIdentityCredential{world.IdentityOptions()}.GetToken(VaultRequest(), {}); });
  }
  // The binding at rest.
  world.Do([&] { ManagedIdentityCredential{options}.GetToken(VaultRequest(), {}); });
  world.DoWith("attestation", {{"status", 500}}, [&] {
    ManagedIdentityCredential{world.IdentityOptions()}.GetToken(VaultRequest(), {});
  });
  GetManagedIdentityCapabilities(options, {});
}

/// Section 8, in the background.
void Rotate(TalkativeWorld& world) {
  ManagedIdentityCredential credential{world.IdentityOptions()};
  auto const first = credential.GetToken(VaultRequest(), {});
  world.Peer().ArmFault({{"path", "/metadata/identity/issuecredential"}, {"count", 1}, {"fault", {{"status", 400}}}});
  world.Time->Advance(4h + 1min);
  credential.GetToken(VaultRequest(), {});
  ASSERT_TRUE(Eventually([&] { return world.Lines.Text().find("binding.rotation_failed") != std::string::npos; }));
  world.Time->Advance(6min);
  ASSERT_TRUE(Eventually([&] { return credential.GetToken(VaultRequest(), {}).Token != first.Token; }));
}

/// Sections 5 and 9: tokens that are bearer tokens.
void UseBearerTokens(TalkativeWorld& world) {
  auto bearer = world.IdentityOptions();
  bearer.Binding = TokenBinding::None;
  bearer.BearerOverMtls = true;
  world.Do([&] { ManagedIdentityCredential{bearer}.GetToken(VaultRequest(), {}); });
  // Nothing attested, and so no certificate: a token of IMDS v1.
  auto preferred = world.IdentityOptions();
  preferred.Attest = false;
  preferred.Binding = TokenBinding::Preferred;
  world.Do([&] { ManagedIdentityCredential{preferred}.GetToken(VaultRequest(), {}); });
  world.Peer().ArmFault(
      {{"path", "/metadata/identity/oauth2/token"}, {"fault", {{"status", 400}, {"body", {{"error", world.Echo()}}}}}});
  preferred.Binding = TokenBinding::None;
  world.Do([&] { ManagedIdentityCredential{preferred}.GetToken(VaultRequest(), {}); });
}

/// Section 6.
void UseAppsOfOnesOwn(TalkativeWorld& world) {
  ClientCertificateCredential app{world.AppOptions()};
  auto const get = [&] { TalkativeWorld::GetAnew(app); };
  world.Do(get);
  world.DoWith("sts", {{"aadsts", "AADSTS500181"}}, get);
  world.DoWith("sts", {{"status", 400}, {"body", {{"error", "x"}, {"error_description", world.Echo()}}}}, get);
  auto unusable = world.AppOptions();
  unusable.CertificatePath = world.Directory.WriteFile("bad.pem", ReadFile(unusable.CertificatePath).substr(0, 2500));
  world.Do([&] { ClientCertificateCredential{unusable}; });

  ClientAssertionCredential federated{world.FederatedOptions()};
  auto const exchange = [&] { TalkativeWorld::GetAnew(federated); };
  world.Do(exchange);
  world.Peer().ArmFault(
      {{"path", "/" + world.TenantId},
       {"fault", {{"status", 400}, {"body", {{"error", "x"}, {"error_description", world.Echo()}}}}}});
  world.Do(exchange);
  auto bearer = world.FederatedOptions();
  bearer.Binding = TokenBinding::None;
  world.Do([&] { ClientAssertionCredential{bearer}.GetToken(VaultRequest(), {}); });

  world.Peer().ArmFault({{"service", "sts"}, {"fault", {{"aadsts", "AADSTS51000"}}}});
  ChainedCredential chain{
      {gsl::make_not_null(
          std::shared_ptr<TokenCredential>{std::make_shared<ClientCertificateCredential>(world.AppOptions())})},
      world.Lines.MakeObserver()};
  world.Do([&] { TalkativeWorld::GetAnew(chain); });
}

/// Section 7.
void CallTheResource(TalkativeWorld& world) {
  auto const pipeline = world.Pipeline(std::make_shared<ManagedIdentityCredential>(world.IdentityOptions()));
  auto const send = [&] {
    auto request = world.SecretRequest();
    auto const response = pipeline.Send(request, {});
    ReadToEnd(*response->Body, DefaultBufferedBodyBytes, {});
  };
  world.Do(send);
  for (json const& fault :
       {json{{"claims_challenge", true}}, json{{"status", 503}}, json{{"status", 403}}, json{{"cut", "after-head"}},
        json{{"reset", true}}, json{{"status", 302}, {"headers", {{"Location", "https://a.example/" + world.Echo()}}}},
        json{{"status", 401}, {"body", {{"error", {{"message", "[MtlsCnfClaimRequestDataValidationFailed]"}}}}}},
        json{{"status", 401}, {"body", {{"error", {{"code", "MissingClientCertificate"}, {"message", world.Echo()}}}}}},
        json{{"status", 401}, {"body", {{"error", {{"code", "CertificateValidationFailedTlsCertMismatch"}}}}}},
        json{{"status", 401}, {"body", {{"error", {{"code", "CertificateValidationFailedTlsCertMismatch"}}}}}},
        json{{"status", 401}, {"body", {{"error", {{"code", "MtlsClientPopTokenNotSupportedByResource"}}}}}}}) {
    world.DoWith("vault", fault, send);
  }
  // Where the token stands in the URL.
  world.Do([&] {
    auto request = world.SecretRequest();
    auto const secret = world.Peer().Get("wire-secrets").back().at("value").get<std::string>();
    request.Message.Target = request.Message.Target.WithQueryParameter("access_token", secret);
    pipeline.Send(request, {});
  });
}

TEST(SecretsAgainstEmulator, NothingThatWentOverTheWireIsWritten) {
  TalkativeWorld world;
  UseManagedIdentity(world);
  Rotate(world);
  UseBearerTokens(world);
  UseAppsOfOnesOwn(world);
  CallTheResource(world);
  world.AddWireSecrets();
  auto const written = world.Lines.Text();

  // It was all done: an event or code for each feature, and secrets of each kind.
  for (char const* const event :
       {"key.made",
        "key.signed_certificate_request",
        "issue_credential",
        "binding.issued",
        "binding.loaded",
        "request_token",
        "token.obtained",
        "binding.rejected",
        "binding.rotation_failed",
        "token.fell_back_to_bearer",
        "get_bearer_token",
        "credential.passed_over",
        "binding.replaced",
        "binding.refused_again",
        "request.certificate_did_not_arrive",
        "service.retried",
        "AADSTS900000",
        "AADSTS392196",
        "AADSTS51000",
        "token_binding_mismatch",
        "token_malformed",
        "token_type_mismatch",
        "token_response_malformed",
        "issued_certificate_rejected",
        "not_imds",
        "imds_response_malformed",
        "attestation_failed",
        "no_credential_worked",
        "client_certificate_unusable",
        "redirect_refused",
        "resource_does_not_support_bound_tokens"}) {
    EXPECT_THAT(written, HasSubstr(event));
  }
  auto const counters = world.Peer().Get("statistics");
  EXPECT_GT(counters.at("tokens_by_type").value("Bearer", 0), 1) << counters;
  for (char const* const kind : {"token", "csr", "attestation_token", "client_assertion", "private_key", "password"}) {
    EXPECT_GT(world.Secrets.Count(kind), 0) << kind;
  }

  EXPECT_THAT(world.Secrets.KindsIn(written), IsEmpty());
}

/// The test above can fail: a secret of each kind that is written past the redactor is found, whole or in part, and what is
/// written through it is not.
TEST(SecretsAgainstEmulator, WhatIsWrittenIsFound) {
  TalkativeWorld world;
  world.Do([&] { ClientAssertionCredential{world.FederatedOptions()}.GetToken(VaultRequest(), {}); });
  world.AddWireSecrets();
  ASSERT_THAT(world.Secrets.KindsIn(world.Lines.Text()), IsEmpty());
  std::set<std::string> kinds;
  for (auto const& secret : world.Peer().Get("wire-secrets")) {
    auto const value = secret.at("value").get<std::string>();
    kinds.insert(secret.at("kind"));
    for (std::size_t const start : {std::size_t{0}, std::size_t{7}, value.size() / 2, value.size() - 20}) {
      EXPECT_FALSE(world.Secrets.KindsIn("what=\"" + value.substr(start, 20) + "\"").empty()) << secret.at("kind");
    }
    world.Lines.MakeObserver().Tell(Severity::Info, "careless", {{"what", value}});
  }
  EXPECT_THAT(kinds, testing::IsSupersetOf({"token", "csr", "attestation_token", "client_assertion"}));
  EXPECT_FALSE(world.Secrets.KindsIn(world.Password).empty());
  EXPECT_THAT(world.Lines.Text(), HasSubstr("careless"));
  EXPECT_THAT(world.Secrets.KindsIn(world.Lines.Text()), IsEmpty());
}

}  // namespace
}  // namespace mtlspop::test
