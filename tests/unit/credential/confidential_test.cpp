// Section 6 of the wire contract: a certificate of one's own, and the federated exchange.
#include <atomic>
#include <fstream>
#include <mutex>
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rsa.h>

#include "fake_cloud.hpp"
#include "mtlspop/credential/chained_credential.hpp"
#include "mtlspop/credential/client_assertion_credential.hpp"
#include "mtlspop/credential/client_certificate_credential.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/credential/static_credential.hpp"
#include "mtlspop/credential/verify_binding.hpp"
#include "mtlspop/transport/log.hpp"
#include "mtlspop/transport/openssl.hpp"
#include "mtlspop/transport/signer.hpp"
#include "support/either_way.hpp"
#include "support/error_code_of.hpp"
#include "support/event.hpp"
#include "support/scoped_time_zone.hpp"
#include "support/software_signer.hpp"
#include "support/temporary_directory.hpp"
#include "support/test_certificate_authority.hpp"

namespace mtlspop::test {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr char const* TokenPath = "/oauth2/v2.0/token";

std::string Endpoint(std::string host, std::string region = "", std::string tenant = "t") {
  AuthorityOptions authority;
  authority.AuthorityHost = std::move(host);
  authority.Region = std::move(region);
  authority.TenantId = std::move(tenant);
  return MtlsTokenEndpoint(authority);
}

TEST(MtlsTokenEndpoint, IsTheContractsForEachCloudAndRegion) {
  EXPECT_EQ(
      MtlsTokenEndpoint({"t", "https://login.microsoftonline.com", ""}),
      "https://mtlsauth.microsoft.com/t/oauth2/v2.0/token");
  EXPECT_EQ(
      Endpoint("https://login.microsoftonline.com/", "westus3"),
      "https://westus3.mtlsauth.microsoft.com/t/oauth2/v2.0/token");
  EXPECT_EQ(Endpoint("https://login.microsoftonline.us"), "https://mtlsauth.microsoftonline.us/t/oauth2/v2.0/token");
  EXPECT_EQ(
      Endpoint("https://login.microsoftonline.us", "usgovvirginia"),
      "https://usgovvirginia.mtlsauth.microsoftonline.us/t/oauth2/v2.0/token");
  EXPECT_EQ(
      Endpoint("https://login.partner.microsoftonline.cn"),
      "https://mtlsauth.partner.microsoftonline.cn/t/oauth2/v2.0/token");
  EXPECT_EQ(
      Endpoint("https://login.sovereign.example", "r1"), "https://r1.mtlsauth.sovereign.example/t/oauth2/v2.0/token");
  EXPECT_EQ(Endpoint("https://login.local.example:8443"), "https://mtlsauth.local.example:8443/t/oauth2/v2.0/token");
}

/// NET: no mutual-TLS host belongs to these.
TEST(MtlsTokenEndpoint, RetiredAuthoritiesAreRefusedByName) {
  for (std::string const host : {"sts.windows.net", "login.usgovcloudapi.net", "login.chinacloudapi.cn"}) {
    auto const error = ErrorOf([&] { Endpoint("https://" + host); });
    ASSERT_TRUE(error) << host;
    EXPECT_EQ(error->Code(), errors::InvalidArgument);
    EXPECT_THAT(error->what(), HasSubstr(host));
    EXPECT_THAT(error->what(), HasSubstr("https://login."));
  }
}

TEST(MtlsTokenEndpoint, AuthorityMustNameATenant) {
  for (std::string const tenant : {"common", "Organizations", "consumers", ""}) {
    EXPECT_EQ(ErrorCodeOf([&] { Endpoint("https://login.microsoftonline.com", "", tenant); }), "tenant_required");
  }
  EXPECT_EQ(ErrorCodeOf([] { Endpoint("https://login.microsoftonline.com", "", "a/b"); }), "invalid_argument");
  EXPECT_EQ(ErrorCodeOf([] { Endpoint("https://login.microsoftonline.com", "evil.example/"); }), "invalid_argument");
  EXPECT_EQ(ErrorCodeOf([] { Endpoint("http://login.microsoftonline.com"); }), "invalid_argument");
  EXPECT_EQ(ErrorCodeOf([] { Endpoint("https://auth.example"); }), "invalid_argument");
}

/// An application with a certificate in a file.
struct AppWorld {
  AppWorld() {
    Options.TenantId = "my-tenant";
    Options.ClientId = "my-app";
    Options.CertificatePath = Write(Certificate);
    Options.Transport = Cloud;
    Options.Time = std::shared_ptr<Clock>{Time};
    Options.Observer = Lines.MakeObserver();
  }
  std::string Write(IssuedCertificate const& certificate) const {
    return Directory.WriteFile("app.pem", certificate.CertificatePem + certificate.PrivateKeyPem);
  }
  /// What an assertion needs.
  void UseRsa() {
    Certificate = Authority.IssueForClient("app", KeyKind::Rsa2048);
    Write(Certificate);
  }
  ClientCertificateCredential& Credential() {
    if (!credential_) credential_ = std::make_unique<ClientCertificateCredential>(Options);
    return *credential_;
  }
  AccessToken Get(TokenRequest const& request = ManagedIdentityWorld::Request()) {
    return GetEitherWay(Credential(), request, {});
  }

  LogLines Lines;
  TemporaryDirectory Directory;
  TestCertificateAuthority Authority;
  IssuedCertificate Certificate = Authority.IssueForClient("app");
  std::shared_ptr<ManualClock> Time = std::make_shared<ManualClock>();
  std::shared_ptr<FakeCloud> Cloud = std::make_shared<FakeCloud>(Time);
  ClientCertificateCredentialOptions Options;

 private:
  std::unique_ptr<ClientCertificateCredential> credential_;
};

TEST(ClientCertificate, BoundTokenWithTheAppsOwnCertificate) {
  AppWorld world;
  auto const token = world.Get();
  EXPECT_EQ(token.Type, TokenType::MtlsPop);
  EXPECT_EQ(token.Binding->X5tS256(), world.Certificate.X5tS256);
  auto const arrived = world.Cloud->All(TokenPath).at(0);
  EXPECT_EQ(arrived.Host, "mtlsauth.microsoft.com");
  EXPECT_EQ(arrived.Path, "/my-tenant/oauth2/v2.0/token");
  EXPECT_EQ(arrived.X5tS256, world.Certificate.X5tS256);
  // The app's own client id, and no client_assertion.
  std::map<std::string, std::string> const expected{
      {"grant_type", "client_credentials"},
      {"client_id", "my-app"},
      {"scope", "https://vault.azure.net/.default"},
      {"token_type", "mtls_pop"}};
  EXPECT_EQ(arrived.Form, expected);
  EXPECT_EQ(world.Get().Source, TokenSource::Cache);
}

/// The parts of a JWT, decoded.
struct Jwt {
  explicit Jwt(std::string const& token) {
    auto const first = token.find('.');
    auto const second = token.find('.', first + 1);
    Header = json::parse(Decode(token.substr(0, first)));
    Claims = json::parse(Decode(token.substr(first + 1, second - first - 1)));
    Signed = token.substr(0, second);
    Signature = Decode(token.substr(second + 1));
  }
  static std::string Decode(std::string text) {
    for (auto& c : text) c = c == '-' ? '+' : c == '_' ? '/' : c;
    text.append((4 - text.size() % 4) % 4, '=');
    auto const bytes = FromBase64(text);
    return {bytes.begin(), bytes.end()};
  }
  bool IsSignedBy(EVP_PKEY* key) const {
    std::shared_ptr<EVP_MD_CTX> const context{EVP_MD_CTX_new(), EVP_MD_CTX_free};
    EVP_PKEY_CTX* options = nullptr;
    EVP_DigestVerifyInit(context.get(), &options, EVP_sha256(), nullptr, key);
    if (Header.at("alg") == "PS256") {
      EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING);
      EVP_PKEY_CTX_set_rsa_pss_saltlen(options, 32);
    }
    auto const bytes = [](std::string const& text) { return reinterpret_cast<unsigned char const*>(text.data()); };
    return EVP_DigestVerify(context.get(), bytes(Signature), Signature.size(), bytes(Signed), Signed.size()) == 1;
  }
  json Header;
  json Claims;
  std::string Signed;
  std::string Signature;
};

/// NET docs/mtls-bearer-transport.md: beside TLS, a client assertion, and no token_type.
TEST(ClientCertificate, BearerOverMtlsCarriesAnAssertionBesideTheCertificate) {
  AppWorld world;
  world.UseRsa();
  world.Options.Binding = TokenBinding::None;
  auto const token = world.Get();
  EXPECT_EQ(token.Type, TokenType::Bearer);
  EXPECT_EQ(token.Binding, nullptr);
  auto const arrived = world.Cloud->All(TokenPath).at(0);
  EXPECT_EQ(arrived.X5tS256, world.Certificate.X5tS256);
  EXPECT_EQ(arrived.Form.count("token_type"), 0U);
  EXPECT_EQ(arrived.Form.at("client_assertion_type"), "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");

  Jwt const assertion{arrived.Form.at("client_assertion")};
  EXPECT_EQ(assertion.Header.at("alg"), "PS256");
  EXPECT_EQ(assertion.Header.at("x5t#S256"), world.Certificate.X5tS256);
  auto const leaf = FromBase64(assertion.Header.at("x5c").at(0));
  EXPECT_EQ(leaf, ToBinding(world.Certificate)->Leaf());
  EXPECT_TRUE(assertion.IsSignedBy(world.Certificate.Key.get()));
  auto const now = std::chrono::duration_cast<std::chrono::seconds>(world.Time->Now().time_since_epoch()).count();
  EXPECT_EQ(assertion.Claims.at("aud"), "https://mtlsauth.microsoft.com/my-tenant/oauth2/v2.0/token");
  EXPECT_EQ(assertion.Claims.at("iss"), "my-app");
  EXPECT_EQ(assertion.Claims.at("sub"), "my-app");
  EXPECT_EQ(assertion.Claims.at("nbf"), now);
  EXPECT_EQ(assertion.Claims.at("exp"), now + 600);
  EXPECT_EQ(assertion.Claims.at("jti").get<std::string>().size(), 36U);
  EXPECT_THAT(world.Lines.Text(), Not(HasSubstr(arrived.Form.at("client_assertion"))));
}

TEST(ClientCertificate, AssertionIsSignedRs256WhereTheKeyCannotPss) {
  AppWorld world;
  world.UseRsa();
  auto const signer = std::make_shared<SoftwareSigner>(
      world.Certificate.Key, std::vector<openssl::SignatureAlgorithm>{openssl::SignatureAlgorithm::RsaPkcs1});
  auto const key = openssl::MakeSignerKey(std::shared_ptr<openssl::Signer const>{signer});
  world.Options.CertificatePath.clear();
  world.Options.Certificate = openssl::MakeBindingCertificate(
      {ToBinding(world.Certificate)->Leaf()}, openssl::WrapPrivateKey(gsl::make_not_null(key.get().get())),
      KeyStrength::Hardware);
  world.Options.Binding = TokenBinding::None;
  world.Get();
  Jwt const assertion{world.Cloud->All(TokenPath).at(0).Form.at("client_assertion")};
  EXPECT_EQ(assertion.Header.at("alg"), "RS256");
  EXPECT_TRUE(assertion.IsSignedBy(world.Certificate.Key.get()));
}

TEST(ClientCertificate, BearerNeedsAKeyThatCanSignAnAssertion) {
  AppWorld world;  // its key is for ECDSA
  world.Options.Binding = TokenBinding::None;
  auto const error = ErrorOf([&] { world.Get(); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Code(), errors::PrivateKeyUnusable);
  EXPECT_THAT(error->what(), HasSubstr("RSA"));
}

/// AZ 62974: bearer only where the caller chose "preferred".
TEST(ClientCertificate, ResourceThatCannotTakeBoundTokens) {
  for (auto const binding : {TokenBinding::Required, TokenBinding::Preferred}) {
    AppWorld world;
    world.UseRsa();
    world.Options.Binding = binding;
    world.Cloud->Intercept = [](Arrived const& arrived) -> std::optional<Answer> {
      if (arrived.Form.count("token_type") == 0) return std::nullopt;
      return TokenError("invalid_request", "AADSTS392196: no");
    };
    if (binding == TokenBinding::Required) {
      EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), "resource_does_not_support_bound_tokens");
    } else {
      EXPECT_EQ(world.Get().Source, TokenSource::Fallback);
      EXPECT_EQ(world.Get().Type, TokenType::Bearer);
      EXPECT_EQ(world.Cloud->Count(TokenPath), 2);
    }
  }
}

TEST(ClientCertificate, RenewedFileIsPickedUpAsANewBinding) {
  AppWorld world;
  auto const first = world.Get();
  CertificateRequest renewal;
  renewal.CommonName = "app";
  renewal.ExistingKey = world.Certificate.Key;
  renewal.ExtendedKeyUsage = "clientAuth";
  auto const renewed = world.Authority.Issue(renewal);
  world.Write(renewed);
  EXPECT_EQ(world.Get().Token, first.Token);
  world.Time->Advance(31s);
  EXPECT_TRUE(Eventually([&] { return world.Get().Token != first.Token; }));
  EXPECT_EQ(world.Get().Binding->X5tS256(), renewed.X5tS256);
  EXPECT_TRUE(Eventually([&] { return !world.Cloud->Dropped().empty(); }));
  EXPECT_THAT(world.Cloud->Dropped(), testing::ElementsAre(first.Binding->X5tS256()));
}

/// A look at most every minute; here every second, of the real clock, and nobody asks for a token.
TEST(ClientCertificate, RenewedFileIsNoticedWithoutARequest) {
  AppWorld world;
  world.Options.ReloadInterval = 1s;
  world.Get();
  auto const renewed = world.Authority.IssueForClient("app");
  world.Write(renewed);
  EXPECT_TRUE(Eventually([&] { return world.Lines.Text().find("certificate.renewed") != std::string::npos; }));
  EXPECT_TRUE(Eventually([&] { return world.Get().Binding->X5tS256() == renewed.X5tS256; }));
}

std::shared_ptr<BindingCertificate const> BindingOf(IssuedCertificate const& issued) {
  BindingCertificate::Der der(static_cast<std::size_t>(i2d_X509(issued.Certificate.get(), nullptr)));
  auto* out = der.data();
  i2d_X509(issued.Certificate.get(), &out);
  auto const key = openssl::WrapPrivateKey(gsl::make_not_null(issued.Key.get()));
  return openssl::MakeBindingCertificate({der}, key, KeyStrength::Software).get();
}

/// The longest interval there is is a minute, as the option says, and not each call's.
TEST(AttackLongestTime, OfReloadingIsAMinute) {
  std::atomic<int> asked{0};
  {
    AppWorld world;
    world.Options.CertificatePath.clear();
    world.Options.CertificateSource = [&, certificate = BindingOf(world.Certificate)] {
      ++asked;
      return certificate;
    };
    world.Options.ReloadInterval = std::chrono::seconds::max();
    for (int i = 0; i < 5; ++i) world.Get();
    // The credential's end waits for whatever it does in the background.
  }
  EXPECT_EQ(asked, 1);
}

/// The certificate is somebody else's to renew, who gives it through a callback.
TEST(ClientCertificate, CallbackIsAskedAgainWithoutARequest) {
  std::mutex mutex;
  std::shared_ptr<BindingCertificate const> given;
  auto const give = [&](std::shared_ptr<BindingCertificate const> next) {
    std::lock_guard<std::mutex> const lock{mutex};
    given = std::move(next);
  };
  AppWorld world;
  auto const first = BindingOf(world.Authority.IssueForClient("app"));
  give(first);
  world.Options.CertificatePath.clear();
  world.Options.CertificateSource = [&] {
    std::lock_guard<std::mutex> const lock{mutex};
    if (!given) throw std::runtime_error("the vault is sealed");
    return given;
  };
  auto const isLogged = [&](char const* text) {
    return Eventually([&] { return world.Lines.Text().find(text) != std::string::npos; });
  };
  world.Options.ReloadInterval = 1s;
  EXPECT_EQ(world.Get().Binding->X5tS256(), first->X5tS256());
  auto const renewed = BindingOf(world.Authority.IssueForClient("app"));
  give(renewed);
  EXPECT_TRUE(isLogged("certificate.renewed"));
  EXPECT_TRUE(Eventually([&] { return world.Get().Binding->X5tS256() == renewed->X5tS256(); }));
  give(nullptr);
  EXPECT_TRUE(isLogged("the vault is sealed"));
  EXPECT_EQ(world.Get().Binding->X5tS256(), renewed->X5tS256()) << "what is there goes on to serve";
}

/// A source of an application's own that fails in its own way, on a thread of the library's.
TEST(AttackCertificateSource, MayThrowAnything) {
  AppWorld world;
  auto const first = BindingOf(world.Authority.IssueForClient("app"));
  std::atomic<bool> isThrowing{false};
  world.Options.CertificatePath.clear();
  world.Options.CertificateSource = [&] {
    if (isThrowing) throw 1;
    return first;
  };
  world.Options.ReloadInterval = 1s;
  EXPECT_EQ(world.Get().Binding->X5tS256(), first->X5tS256());
  isThrowing = true;
  EXPECT_TRUE(Eventually([&] { return world.Lines.Text().find("certificate.not_reloaded") != std::string::npos; }));
  EXPECT_EQ(world.Get().Binding->X5tS256(), first->X5tS256());
}

TEST(Region, IsNoneOrNamedOrDiscovered) {
  struct Row {
    std::string Region;
    std::map<std::string, std::string> Environment;
    std::string Location;
    std::string Host;
    int Asked;
  };
  for (auto const& row :
       {Row{"", {{"REGION_NAME", "westus"}}, "eastus", "mtlsauth.microsoft.com", 0},
        Row{"westus3", {{"REGION_NAME", "westus"}}, "eastus", "westus3.mtlsauth.microsoft.com", 0},
        Row{DiscoverRegion,
            {{"REGION_NAME", "West US"}, {"MSAL_FORCE_REGION", "x"}},
            "eastus",
            "WestUS.mtlsauth.microsoft.com",
            0},
        Row{DiscoverRegion, {{"MSAL_FORCE_REGION", "westus2"}}, "eastus", "westus2.mtlsauth.microsoft.com", 0},
        Row{DiscoverRegion, {{"REGION_NAME", "evil.example/"}}, "eastus", "eastus.mtlsauth.microsoft.com", 1},
        Row{DiscoverRegion, {}, "evil.example/", "mtlsauth.microsoft.com", 1},
        Row{DiscoverRegion, {}, "", "mtlsauth.microsoft.com", 1}}) {
    AppWorld world;
    world.Options.Region = row.Region;
    world.Options.Environment = [&row](char const* name) {
      auto const found = row.Environment.find(name);
      return found == row.Environment.end() ? std::string{} : found->second;
    };
    world.Cloud->Intercept = [&row](Arrived const& arrived) -> std::optional<Answer> {
      if (arrived.Path != "/metadata/instance/compute") return std::nullopt;
      EXPECT_EQ(arrived.Query, "api-version=2021-02-01");
      EXPECT_EQ(arrived.Fields.Get("Metadata"), "true");
      EXPECT_TRUE(arrived.NeverProxied);
      return row.Location.empty() ? JsonAnswer(json::object(), 404) : JsonAnswer({{"location", row.Location}});
    };
    world.Get();
    world.Get(ManagedIdentityWorld::Request("https://storage.azure.com/.default"));
    auto const asked = world.Cloud->All(TokenPath);
    ASSERT_EQ(asked.size(), 2U);
    std::string lower = row.Host;
    std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
    EXPECT_EQ(asked[0].Host, lower);
    EXPECT_EQ(asked[1].Host, lower);
    EXPECT_EQ(world.Cloud->Count("/metadata/instance/compute"), row.Asked);
  }
}

TEST(Region, NobodyToAskMeansTheGlobalEndpoint) {
  AppWorld world;
  world.Options.Region = DiscoverRegion;
  world.Options.Environment = [](char const*) { return std::string{}; };
  world.Cloud->Intercept = [](Arrived const& arrived) -> std::optional<Answer> {
    if (arrived.Path != "/metadata/instance/compute") return std::nullopt;
    throw Error{{errors::ConnectFailed, "No connection", "Check"}};
  };
  world.Get();
  EXPECT_EQ(world.Cloud->All(TokenPath).at(0).Host, "mtlsauth.microsoft.com");
  EXPECT_THAT(world.Lines.Text(), HasSubstr("region.not_found"));
}

TEST(Region, IsAskedAgainAfterAnHourAndUpToAQuarterMoreAtRandom) {
  AppWorld world;
  world.Options.Region = DiscoverRegion;
  world.Options.Environment = [](char const*) { return std::string{}; };
  world.Options.Random = [] { return 0.5; };
  world.Cloud->Intercept = [](Arrived const& arrived) -> std::optional<Answer> {
    if (arrived.Path != "/metadata/instance/compute") return std::nullopt;
    return JsonAnswer(json::object(), 404);
  };
  auto const ask = [&](char const* scope) {
    world.Get(ManagedIdentityWorld::Request(scope));
    return world.Cloud->Count("/metadata/instance/compute");
  };
  EXPECT_EQ(ask("https://a.example/.default"), 1);
  world.Time->Advance(67min);
  EXPECT_EQ(ask("https://b.example/.default"), 1);
  world.Time->Advance(30s);
  EXPECT_EQ(ask("https://c.example/.default"), 2);
}

TEST(ClientCertificate, FileThatIsBeingWrittenDoesNoHarm) {
  AppWorld world;
  auto const first = world.Get();
  world.Directory.WriteFile("app.pem", world.Certificate.CertificatePem.substr(0, 100));
  world.Time->Advance(31s);
  world.Get();
  EXPECT_TRUE(Eventually([&] { return world.Lines.Text().find("certificate.not_reloaded") != std::string::npos; }));
  EXPECT_EQ(world.Get().Token, first.Token);
}

TEST(ClientCertificate, RefusedCertificateIsReadAgainAndTriedOnceMore) {
  AppWorld world;
  world.Credential();
  auto const renewed = world.Authority.IssueForClient("app");
  world.Write(renewed);
  world.Cloud->Intercept = [old = world.Certificate.X5tS256](Arrived const& arrived) -> std::optional<Answer> {
    if (arrived.X5tS256 != old) return std::nullopt;
    return TokenError("invalid_client", "AADSTS700027: unknown certificate");
  };
  EXPECT_EQ(world.Get().Binding->X5tS256(), renewed.X5tS256);
}

TEST(ClientCertificate, RefusedCertificateThatStaysIsAnErrorAndGoodAgainLater) {
  AppWorld world;
  world.Cloud->Intercept = [](Arrived const&) -> std::optional<Answer> {
    return TokenError("invalid_client", "AADSTS700027: unknown certificate");
  };
  auto const error = ErrorOf([&] { world.Get(); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Code(), errors::BindingRejected);
  // Nothing of the machine that it runs on.
  EXPECT_THAT(error->Details().Action, AllOf(HasSubstr("app registration"), testing::Not(HasSubstr("machine"))));
  EXPECT_EQ(world.Cloud->Count(TokenPath), 1);
  world.Cloud->Intercept = nullptr;
  world.Get();
  EXPECT_EQ(world.Get().Source, TokenSource::Cache);
}

TEST(ClientCertificate, ExpiredCertificateIsSaidToBe) {
  AppWorld world;
  world.Credential();
  world.Time->Advance(48h);
  auto const error = ErrorOf([&] { world.Get(); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Code(), errors::ClientCertificateUnusable);
  EXPECT_THAT(error->what(), HasSubstr("has expired"));
  // The dates, and what this machine takes for now.
  EXPECT_THAT(error->what(), testing::ContainsRegex("from 2[0-9-]+T.*Z until 2[0-9-]+T.*Z, .* 2[0-9-]+T.*Z"));
}

/// The clock on the wall is what somebody on call compares it with.
TEST(ClientCertificate, ThatIsNotValidNowIsToldWithTheLocalTime) {
  ScopedTimeZone const kolkata{"IST-5:30"};
  AppWorld world;
  world.Credential();
  world.Time->Advance(48h);
  auto const now = world.Time->Now();
  auto const error = ErrorOf([&] { world.Get(); });
  ASSERT_TRUE(error);
  EXPECT_THAT(error->what(), HasSubstr(ToTimestamp(now)));
  EXPECT_THAT(error->what(), HasSubstr(ToTimestamp(now + 5h + 30min).substr(0, 19) + "+05:30"));
}

std::string ToPkcs12(IssuedCertificate const& certificate, char const* password) {
  std::shared_ptr<PKCS12> const file{
      PKCS12_create(password, "app", certificate.Key.get(), certificate.Certificate.get(), nullptr, 0, 0, 0, 0, 0),
      PKCS12_free};
  std::string der(static_cast<std::size_t>(i2d_PKCS12(file.get(), nullptr)), '\0');
  auto* out = reinterpret_cast<unsigned char*>(der.data());
  i2d_PKCS12(file.get(), &out);
  return der;
}

std::string EncryptedKey(IssuedCertificate const& certificate, std::string const& password) {
  std::shared_ptr<BIO> const out{BIO_new(BIO_s_mem()), BIO_free};
  PEM_write_bio_PKCS8PrivateKey(
      out.get(), certificate.Key.get(), EVP_aes_256_cbc(), password.data(), static_cast<int>(password.size()), nullptr,
      nullptr);
  char* text = nullptr;
  auto const length = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(length)};
}

TEST(ClientCertificate, ComesFromPkcs12AndEncryptedPemAndStoreUri) {
  AppWorld world;
  auto& options = world.Options;
  options.Password = Secret{std::string_view{"open sesame"}};
  options.CertificatePath = world.Directory.WriteFile("app.p12", ToPkcs12(world.Certificate, "open sesame"));
  EXPECT_EQ(
      ClientCertificateCredential{options}.GetToken(ManagedIdentityWorld::Request(), {}).Binding->X5tS256(),
      world.Certificate.X5tS256);

  options.CertificatePath.clear();
  options.CertificateContent =
      Secret{EncryptedKey(world.Certificate, "open sesame") + world.Certificate.CertificatePem};
  EXPECT_EQ(
      ClientCertificateCredential{options}.GetToken(ManagedIdentityWorld::Request(), {}).Binding->X5tS256(),
      world.Certificate.X5tS256);

  options.CertificateContent = {};
  options.CertificateUri = "file:" + world.Write(world.Certificate);
  EXPECT_EQ(
      ClientCertificateCredential{options}.GetToken(ManagedIdentityWorld::Request(), {}).Binding->X5tS256(),
      world.Certificate.X5tS256);

  options.CertificateUri.clear();
  options.Certificate = ToBinding(world.Certificate);
  EXPECT_EQ(
      ClientCertificateCredential{options}.GetToken(ManagedIdentityWorld::Request(), {}).Binding->X5tS256(),
      world.Certificate.X5tS256);
}

TEST(ClientCertificate, ChainGoesAlongLeafFirstWhereverItStands) {
  AppWorld world;
  TestCertificateAuthority issuing{"issuing", world.Authority};
  auto const certificate = issuing.IssueForClient("app");
  world.Options.CertificatePath = world.Directory.WriteFile(
      "chain.pem", issuing.CertificatePem() + certificate.CertificatePem + certificate.PrivateKeyPem);
  auto const token = world.Get();
  EXPECT_EQ(token.Binding->X5tS256(), certificate.X5tS256);
  EXPECT_EQ(token.Binding->Chain().size(), 2U);
}

TEST(ClientCertificate, ThatCannotBeUsedIsSaidAtOnceWithoutThePassword) {
  AppWorld world;
  auto const codeWith = [&](std::string const& path, std::string_view password) {
    auto options = world.Options;
    options.CertificatePath = path;
    options.Password = Secret{password};
    auto const error = ErrorOf([&] { ClientCertificateCredential{options}; });
    if (!error) return std::string{"no error"};
    EXPECT_THAT(DescribeWithCauses(*error), Not(HasSubstr("hunter2")));
    return std::string{error->Code().Name()};
  };
  auto const other = world.Authority.IssueForClient("other");
  auto const& directory = world.Directory;
  EXPECT_EQ(codeWith("/nonexistent/app.pem", ""), "client_certificate_unusable");
  EXPECT_EQ(codeWith(directory.WriteFile("a", "nonsense"), ""), "client_certificate_unusable");
  EXPECT_EQ(codeWith(directory.WriteFile("b", world.Certificate.CertificatePem), ""), "client_certificate_unusable");
  EXPECT_EQ(codeWith(directory.WriteFile("c", world.Certificate.PrivateKeyPem), ""), "client_certificate_unusable");
  EXPECT_EQ(
      codeWith(directory.WriteFile("d", world.Certificate.CertificatePem + other.PrivateKeyPem), ""),
      "client_certificate_unusable");
  EXPECT_EQ(
      codeWith(directory.WriteFile("e", ToPkcs12(world.Certificate, "right")), "hunter2"),
      "client_certificate_unusable");
  EXPECT_EQ(
      codeWith(
          directory.WriteFile(
              "f",
              world.Authority.IssueForLoopback().CertificatePem + world.Authority.IssueForLoopback().PrivateKeyPem),
          ""),
      "client_certificate_unusable");
}

TEST(ClientCertificate, ExactlyOneSource) {
  AppWorld world;
  world.Options.CertificateUri = "file:/x";
  EXPECT_EQ(ErrorCodeOf([&] { world.Credential(); }), "invalid_argument");
  world.Options.CertificateUri.clear();
  world.Options.CertificatePath.clear();
  EXPECT_EQ(ErrorCodeOf([&] { world.Credential(); }), "invalid_argument");
}

/// Both legs, over managed identity as the first.
struct FederatedWorld {
  FederatedWorld() {
    Options.TenantId = "app-tenant";
    Options.ClientId = "my-app";
    Options.Assertion = std::make_shared<ManagedIdentityCredential>(Identity.Options);
    Options.Transport = Identity.Cloud;
    Options.Time = std::shared_ptr<Clock>{Identity.Time};
  }
  ClientAssertionCredential& Credential() {
    if (!credential_) credential_ = std::make_unique<ClientAssertionCredential>(Options);
    return *credential_;
  }
  AccessToken Get(TokenRequest const& request = ManagedIdentityWorld::Request()) {
    return GetEitherWay(Credential(), request, {});
  }
  ManagedIdentityWorld Identity;
  ClientAssertionCredentialOptions Options;

 private:
  std::unique_ptr<ClientAssertionCredential> credential_;
};

TEST(ClientAssertion, SecondLegCarriesTheFirstLegsTokenOverItsCertificate) {
  FederatedWorld world;
  auto const token = world.Get();
  auto const legs = world.Identity.Cloud->All(TokenPath);
  ASSERT_EQ(legs.size(), 2U);
  EXPECT_EQ(legs[0].Form.at("scope"), "api://AzureADTokenExchange/.default");
  EXPECT_EQ(legs[0].Form.at("token_type"), "mtls_pop");
  EXPECT_EQ(legs[1].Host, "mtlsauth.microsoft.com");
  EXPECT_EQ(legs[1].Path, "/app-tenant/oauth2/v2.0/token");
  EXPECT_EQ(legs[1].X5tS256, legs[0].X5tS256);
  EXPECT_EQ(legs[1].Form.at("client_id"), "my-app");
  EXPECT_EQ(legs[1].Form.at("client_assertion_type"), "urn:ietf:params:oauth:client-assertion-type:jwt-pop");
  EXPECT_EQ(legs[1].Form.at("token_type"), "mtls_pop");
  EXPECT_THAT(legs[1].Form.at("client_assertion"), testing::StartsWith("eyJ"));
  EXPECT_EQ(token.Binding->X5tS256(), legs[0].X5tS256);
}

TEST(ClientAssertion, ResultCanBeBearer) {
  FederatedWorld world;
  world.Options.Binding = TokenBinding::None;
  auto const token = world.Get();
  EXPECT_EQ(token.Type, TokenType::Bearer);
  EXPECT_EQ(world.Identity.Cloud->All(TokenPath).at(1).Form.count("token_type"), 0U);
  EXPECT_THAT(world.Identity.Cloud->All(TokenPath).at(1).Form.at("client_assertion_type"), HasSubstr("jwt-pop"));
}

TEST(ClientAssertion, BindingRefusedInTheSecondLegIsMadeAnewInTheFirst) {
  FederatedWorld world;
  std::atomic<int> calls{0};
  world.Identity.Cloud->Intercept = [&](Arrived const& arrived) -> std::optional<Answer> {
    if (arrived.Form.count("client_assertion") == 0 || calls++ > 0) return std::nullopt;
    return TokenError("invalid_client", "AADSTS500181: mismatch");
  };
  auto const token = world.Get();
  EXPECT_EQ(world.Identity.Cloud->Count("/issuecredential"), 2);
  EXPECT_EQ(token.Binding->X5tS256(), world.Identity.Cloud->All(TokenPath).back().X5tS256);
}

TEST(ClientAssertion, CallerWhoWasRefusedElsewhereGetsANewBinding) {
  FederatedWorld world;
  auto const first = world.Get();
  world.Credential().ReportRefusal(ManagedIdentityWorld::Request(), first, RefusalReason::BindingNoLongerGood);
  EXPECT_NE(world.Get().Binding->X5tS256(), first.Binding->X5tS256());
}

TEST(ClientAssertion, FollowsTheRotationOfTheFirstLeg) {
  FederatedWorld world;
  auto const first = world.Get();
  world.Identity.Time->Advance(5h);
  EXPECT_TRUE(Eventually([&] {
    world.Identity.Time->Advance(1min);
    return world.Get().Binding->X5tS256() != first.Binding->X5tS256();
  }));
}

TEST(ClientAssertion, FirstLegThatGivesABearerTokenIsRefused) {
  FederatedWorld world;
  class Careless final : public TokenCredential {
   public:
    AccessToken GetToken(TokenRequest const&, Context const&) override { return {}; }
    std::string_view Name() const noexcept override { return "Careless"; }
  };
  world.Options.Assertion = std::make_shared<Careless>();
  EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), "token_type_mismatch");
  world.Options.Assertion = nullptr;
  EXPECT_EQ(ErrorCodeOf([&] { ClientAssertionCredential{world.Options}; }), "invalid_argument");
}

AccessToken BoundToken(IssuedCertificate const& certificate) {
  AccessToken token;
  token.Type = TokenType::MtlsPop;
  token.Binding = ToBinding(certificate);
  token.Token = Secret{MakeJwt({{"cnf", {{"x5t#S256", certificate.X5tS256}}}})};
  return token;
}

TEST(StaticCredential, GivesItsTokenAndNoOther) {
  TestCertificateAuthority authority;
  auto const bound = BoundToken(authority.IssueForClient("a"));
  TokenRequest request;
  request.Binding = TokenBinding::Required;
  EXPECT_EQ(StaticCredential{bound}.GetToken(request, {}).Token, bound.Token);
  AccessToken bearer;
  bearer.Token = bound.Token;
  EXPECT_EQ(ErrorCodeOf([&] { StaticCredential{bearer}.GetToken(request, {}); }), "token_type_mismatch");
  auto broken = bound;
  broken.Binding = nullptr;
  EXPECT_EQ(ErrorCodeOf([&] { StaticCredential{broken}; }), "invalid_argument");
}

TEST(VerifyBinding, RenewalWithTheSameKeyDoesNotMatch) {
  TestCertificateAuthority authority;
  auto const first = authority.IssueForClient("a");
  CertificateRequest renewal;
  renewal.ExistingKey = first.Key;
  auto const token = BoundToken(first);
  EXPECT_NO_THROW(VerifyBinding(token.Token, *ToBinding(first)));
  EXPECT_EQ(
      ErrorCodeOf([&] { VerifyBinding(token.Token, *ToBinding(authority.Issue(renewal))); }), "token_binding_mismatch");
}

TEST(ChainedCredential, StaysWithTheFirstThatWorks) {
  class Failing final : public TokenCredential {
   public:
    AccessToken GetToken(TokenRequest const&, Context const& context) override {
      context.ThrowIfEnded("Getting a token");
      ++Calls;
      throw Error{{errors::ImdsNotReachable, "No", "Look"}};
    }
    std::string_view Name() const noexcept override { return "Failing"; }
    int Calls = 0;
  };
  TestCertificateAuthority authority;
  auto const failing = std::make_shared<Failing>();
  auto const works = std::make_shared<StaticCredential>(BoundToken(authority.IssueForClient("a")));
  ChainedCredential chain{
      {gsl::make_not_null(std::shared_ptr<TokenCredential>{failing}),
       gsl::make_not_null(std::shared_ptr<TokenCredential>{works})}};
  auto const cancelled = Context{}.WithCancellation();
  cancelled.Cancel();
  EXPECT_EQ(ErrorCodeOf([&] { GetEitherWay(chain, {}, cancelled); }), "cancelled");
  GetEitherWay(chain, {}, {});
  GetEitherWay(chain, {}, {});
  EXPECT_EQ(failing->Calls, 1);

  ChainedCredential hopeless{{gsl::make_not_null(std::shared_ptr<TokenCredential>{failing})}};
  try {
    GetEitherWay(hopeless, {}, {});
    FAIL();
  } catch (Error const& error) {
    EXPECT_EQ(error.Code(), errors::NoCredentialWorked);
    EXPECT_THAT(error.what(), HasSubstr("Failing (imds_not_reachable)"));
    EXPECT_THAT(DescribeWithCauses(error), HasSubstr("caused by: imds_not_reachable"));
  }
  EXPECT_EQ(ErrorCodeOf([] { ChainedCredential{{}}; }), "invalid_argument");
}

}  // namespace
}  // namespace mtlspop::test
