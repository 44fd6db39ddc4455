#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "emulator.hpp"
#include "emulator_attestation.hpp"
#include "mtlspop/credential/client_assertion_credential.hpp"
#include "mtlspop/credential/client_certificate_credential.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/credential/verify_binding.hpp"
#include "own_app.hpp"
#include "support/error_code_of.hpp"
#include "support/manual_clock.hpp"
#include "support/silent_listener.hpp"

namespace mtlspop::test {
namespace {

using nlohmann::json;

/// Section 4 of the wire contract.
TEST(AttestedAgainstEmulator, IsIssuedACertificateThatNeedsAttestation) {
  Emulator const emulator{{"--require-attestation"}};
  auto options = emulator.CredentialOptions();
  EXPECT_EQ(
      ErrorCodeOf([&] { ManagedIdentityCredential{options}.GetToken(VaultRequest(), {}); }),
      "mtls_pop_requires_keyguard");

  auto const provider = std::make_shared<EmulatorAttestationProvider>(emulator.Transport());
  options.Attest = true;
  options.Attestation = provider;
  ManagedIdentityCredential credential{options};
  auto const token = credential.GetToken(VaultRequest(), {});
  EXPECT_TRUE(token.Attested);
  EXPECT_EQ(provider->Calls(), 1);
  EXPECT_EQ(emulator.ReadSecret(token), 200);
}

TEST(Version1AgainstEmulator, RequiredFailsAndPreferredFallsBack) {
  Emulator const emulator{{"--imds", "v1"}};
  auto options = emulator.CredentialOptions();
  options.Time = gsl::make_not_null(std::shared_ptr<Clock>{std::make_shared<ManualClock>()});
  EXPECT_EQ(
      ErrorCodeOf([&] { ManagedIdentityCredential{options}.GetToken(VaultRequest(), {}); }),
      "mtls_pop_not_supported_in_imds_v1");
  options.Binding = TokenBinding::Preferred;
  ManagedIdentityCredential credential{options};
  auto const token = credential.GetToken(VaultRequest(), {});
  EXPECT_EQ(token.Source, TokenSource::Fallback);
  EXPECT_EQ(emulator.ReadSecret(token), 200);
  EXPECT_EQ(GetManagedIdentityCapabilities(options, {}).Source, ManagedIdentitySource::ImdsV1);
}

/// Section 2, over real sockets: a second tells that nobody is there, and whoever takes a connection is somebody.
TEST(DiscoveryAgainstEmulator, WhoAnswersTheProbeLateGivesTokensAllTheSame) {
  Emulator const emulator;
  for (auto const binding : {TokenBinding::Required, TokenBinding::None}) {
    emulator.ArmFault({{"path", "/metadata/identity/getplatformmetadata"}, {"fault", {{"delay_ms", 2000}}}});
    auto options = emulator.CredentialOptions();
    options.Transport = MakeHttpTransport(emulator.MakeTransportOptions()).get();
    options.Binding = binding;
    ManagedIdentityCredential credential{options};
    EXPECT_EQ(emulator.ReadSecret(credential.GetToken(VaultRequest(), {})), 200);
  }
}

TEST(DiscoveryAgainstEmulator, SilenceIsNobodyAndNothingWasSent) {
  Emulator const emulator;
  SilentListener const silent{"127.0.0.1"};
  auto options = emulator.CredentialOptions();
  options.ImdsEndpoint = "http://127.0.0.1:" + std::to_string(silent.Port());
  options.Binding = TokenBinding::Preferred;
  ManagedIdentityCredential credential{options};
  auto const error = ErrorOf([&] { credential.GetToken(VaultRequest(), {}); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Code(), errors::ImdsNotReachable);
  EXPECT_THAT(error->what(), testing::HasSubstr("got no connection within 1 s"));
  EXPECT_EQ(error->Details().Attempts, 0);
  EXPECT_EQ(error->Details().CorrelationId, "");
}

/// Section 5: "what the service says" -> "do", over real TLS.
TEST(HealingAgainstEmulator, RefusedBindingIsMadeAnewOnce) {
  for (json const& fault :
       {json{{"aadsts", "AADSTS1000901"}}, json{{"aadsts", "AADSTS500181"}}, json{{"reject_handshake", "revoked"}},
        json{{"reject_handshake", "reset"}}}) {
    Emulator const emulator;
    emulator.ArmFault({{"service", "sts"}, {"fault", fault}});
    ManagedIdentityCredential credential{emulator.CredentialOptions()};
    auto const token = credential.GetToken(VaultRequest(), {});
    EXPECT_EQ(emulator.Count("issuecredential"), 2) << fault;
    EXPECT_EQ(emulator.ReadSecret(token), 200);
  }
}

TEST(HealingAgainstEmulator, RefusedAttestationIsMadeAnewOnce) {
  for (std::string const code : {"1000610", "1000611", "1000612", "1000613", "1000614"}) {
    Emulator const emulator{{"--require-attestation"}};
    emulator.ArmFault({{"service", "sts"}, {"fault", {{"aadsts", "AADSTS" + code}}}});
    auto options = emulator.CredentialOptions();
    auto const provider = std::make_shared<EmulatorAttestationProvider>(emulator.Transport());
    options.Attest = true;
    options.Attestation = provider;
    ManagedIdentityCredential credential{options};
    auto const token = credential.GetToken(VaultRequest(), {});
    EXPECT_TRUE(token.Attested);
    EXPECT_EQ(provider->Calls(), 2) << code;
    EXPECT_EQ(emulator.Count("issuecredential"), 2) << code;
    EXPECT_EQ(emulator.ReadSecret(token), 200);
  }
}

TEST(HealingAgainstEmulator, AnswersThatMustNotBeTakenAreNot) {
  struct Row {
    std::string Path;
    json Fault;
    std::string Code;
  };
  for (auto const& row : {
           Row{"/metadata/identity/issuecredential",
               {{"certificate_for_other_key", true}},
               "issued_certificate_rejected"},
           Row{"/metadata/identity/issuecredential", {{"expired_certificate", true}}, "issued_certificate_rejected"},
           Row{"/metadata/identity/issuecredential",
               {{"certificate_without_client_auth", true}},
               "issued_certificate_rejected"},
           Row{"/metadata/identity/getplatformmetadata", {{"server_header", "nginx"}}, "not_imds"},
           Row{"/metadata/identity/getplatformmetadata", {{"malformed_json", true}}, "imds_response_malformed"},
           Row{"/metadata/identity/getplatformmetadata", {{"missing_field", "cuId"}}, "imds_response_malformed"},
       }) {
    Emulator const emulator;
    emulator.ArmFault({{"path", row.Path}, {"with_header", "Metadata"}, {"fault", row.Fault}});
    ManagedIdentityCredential credential{emulator.CredentialOptions()};
    EXPECT_EQ(ErrorCodeOf([&] { credential.GetToken(VaultRequest(), {}); }), row.Code) << row.Fault;
    EXPECT_EQ(credential.GetToken(VaultRequest(), {}).Type, TokenType::MtlsPop);
  }
}

TEST(HealingAgainstEmulator, EndpointsAndNamesThatDoNotFitAreRefused) {
  Emulator const emulator;
  for (json const& change :
       {json{{"client_id", "somebody"}}, json{{"tenant_id", "elsewhere"}}, json{{"identity_type", "Robot"}},
        json{{"mtls_authentication_endpoint", "https://user@evil.example"}},
        json{{"mtls_authentication_endpoint", "https://good.example\\@evil.example"}},
        json{{"mtls_authentication_endpoint", "http://evil.example"}}}) {
    emulator.ArmFault({{"path", "/metadata/identity/issuecredential"}, {"fault", {{"set", change}}}});
    ManagedIdentityCredential credential{emulator.CredentialOptions()};
    EXPECT_EQ(ErrorCodeOf([&] { credential.GetToken(VaultRequest(), {}); }), "imds_response_malformed") << change;
  }
  EXPECT_EQ(emulator.Log("sts").size(), 0U);
}

/// The reference implementation's bytes, by the emulator's own judgement.
TEST(ManagedIdentityAgainstEmulator, CertificateRequestIsInNetsForm) {
  Emulator const emulator{{"--strict", "net"}};
  ManagedIdentityCredential credential{emulator.CredentialOptions()};
  EXPECT_EQ(credential.GetToken(VaultRequest(), {}).Type, TokenType::MtlsPop);
}

TEST(ManagedIdentityAgainstEmulator, ResourceIdIsFoundUnderItsOldNameToo) {
  Emulator const emulator{{"--resource-id-name", "msi_res_id"}};
  auto options = emulator.CredentialOptions();
  options.Identity = ManagedIdentityId::FromResourceId(emulator.Startup().at("identities").at(1).at("msi_res_id"));
  ManagedIdentityCredential credential{options};
  EXPECT_EQ(credential.GetToken(VaultRequest(), {}).Type, TokenType::MtlsPop);
  EXPECT_EQ(emulator.Count("issuecredential"), 1);
}

TEST(ManagedIdentityAgainstEmulator, BearerOverMutualTls) {
  Emulator const emulator;
  auto options = emulator.CredentialOptions();
  options.Binding = TokenBinding::None;
  options.BearerOverMtls = true;
  ManagedIdentityCredential credential{options};
  auto const token = credential.GetToken(VaultRequest(), {});
  EXPECT_EQ(token.Type, TokenType::Bearer);
  EXPECT_EQ(emulator.ReadSecret(token), 200);
}

TEST(HealingAgainstEmulator, TokensThatMustNotBeTakenAreNot) {
  struct Row {
    json Fault;
    std::string Code;
  };
  for (auto const& row :
       {Row{{{"wrong_cnf", true}}, "token_binding_mismatch"}, Row{{{"no_cnf", true}}, "token_binding_mismatch"},
        Row{{{"not_a_jwt", true}}, "token_malformed"}, Row{{{"token_type", "Bearer"}}, "token_type_mismatch"},
        Row{{{"aadsts", "AADSTS392196"}}, "resource_does_not_support_bound_tokens"},
        Row{{{"aadsts", "AADSTS3921996"}}, "tenant_not_eligible_for_bound_tokens"},
        Row{{{"aadsts", "AADSTS51000"}}, "mtls_not_enabled_for_app"}}) {
    Emulator const emulator;
    emulator.ArmFault({{"service", "sts"}, {"fault", row.Fault}});
    ManagedIdentityCredential credential{emulator.CredentialOptions()};
    EXPECT_EQ(ErrorCodeOf([&] { credential.GetToken(VaultRequest(), {}); }), row.Code) << row.Fault;
  }
}

/// Section 6, by the names of the real hosts.
TEST(ClientCertificateAgainstEmulator, GlobalAndRegionalHostsGiveBoundTokens) {
  Emulator const emulator;
  OwnApp app{emulator};
  for (std::string const region : {"", "westus3"}) {
    app.Options.Region = region;
    ClientCertificateCredential credential{app.Options};
    auto const token = credential.GetToken(VaultRequest(), {});
    EXPECT_EQ(token.Binding->X5tS256(), app.Certificate.X5tS256);
    EXPECT_EQ(emulator.ReadSecret(token), 200);
  }
}

TEST(ClientCertificateAgainstEmulator, BearerTokensNeedTheAssertion) {
  Emulator const emulator;
  OwnApp app{emulator};
  app.Options.Binding = TokenBinding::None;
  for (std::string const region : {"", "westus3"}) {
    app.Options.Region = region;
    ClientCertificateCredential credential{app.Options};
    auto const token = credential.GetToken(VaultRequest(), {});
    EXPECT_EQ(token.Type, TokenType::Bearer);
    EXPECT_EQ(emulator.ReadSecret(token), 200);
  }
}

TEST(ClientAssertionAgainstEmulator, BothLegsTravelOverTheSameCertificate) {
  Emulator const emulator;
  OwnApp const app{emulator};
  ClientAssertionCredentialOptions options;
  options.TenantId = app.TenantId;
  options.ClientId = app.ClientId;
  options.Transport = emulator.Transport();
  options.Assertion = std::make_shared<ManagedIdentityCredential>(emulator.CredentialOptions());
  ClientAssertionCredential credential{options};
  auto const token = credential.GetToken(VaultRequest(), {});
  EXPECT_NO_THROW(VerifyBinding(token.Token, *token.Binding));
  EXPECT_EQ(emulator.ReadSecret(token), 200);
  EXPECT_EQ(emulator.Count("issuecredential"), 1);
}

}  // namespace
}  // namespace mtlspop::test
