// Section 3 of the wire contract.
#include "certificate_request.hpp"

#include <array>
#include <cstdio>
#include <fstream>
#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/x509.h>

#include "der.hpp"
#include "fake_cloud.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/credential/openssl.hpp"
#include "mtlspop/transport/log.hpp"
#include "support/error_code_of.hpp"
#include "support/event.hpp"
#include "support/scoped_time_zone.hpp"
#include "support/temporary_directory.hpp"

namespace mtlspop::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::MatchesRegex;

std::vector<std::uint8_t> MakeRequest() {
  ReadyKeys keys;
  auto const key = keys.GetOrCreateKey({}, {});
  return MakeCertificateRequest({"my-client", "my-tenant", R"({"vmId":"a","vmssId":"b"})"}, *key);
}

/// The output of a command line, standard error included.
std::string OutputOf(std::string const& command) {
  std::string output;
  std::unique_ptr<FILE, int (*)(FILE*)> const pipe{::popen((command + " 2>&1").c_str(), "r"), ::pclose};
  std::array<char, 4096> buffer{};
  while (auto const count = std::fread(buffer.data(), 1, buffer.size(), pipe.get()))
    output.append(buffer.data(), count);
  return output;
}

struct RequestInAFile {
  RequestInAFile() {
    auto const der = MakeRequest();
    Path = Directory.WriteFile("request.der", {reinterpret_cast<char const*>(der.data()), der.size()});
  }
  TemporaryDirectory Directory;
  std::string Path;
};

TEST(CertificateRequest, OpensslCommandVerifiesItAndShowsEachField) {
  RequestInAFile const file;
  auto const text = OutputOf(
      "openssl req -inform DER -in " + file.Path + " -noout -text -verify -nameopt RFC2253,sep_comma_plus_space");
  EXPECT_THAT(text, HasSubstr("verify OK"));
  EXPECT_THAT(text, HasSubstr("Version: 1 (0x0)"));
  EXPECT_THAT(text, HasSubstr("Public Key Algorithm: rsaEncryption"));
  EXPECT_THAT(text, HasSubstr("Public-Key: (2048 bit)"));
  EXPECT_THAT(text, HasSubstr("Signature Algorithm: rsassaPss"));
  EXPECT_THAT(text, HasSubstr("Hash Algorithm: sha256"));
  EXPECT_THAT(text, HasSubstr("Mask Algorithm: mgf1 with sha256"));
  EXPECT_THAT(text, HasSubstr("Salt Length: 0x20"));
  EXPECT_THAT(text, HasSubstr("Trailer Field: 0x01 (default)"));
  EXPECT_THAT(text, HasSubstr("1.3.6.1.4.1.311.90.2.10"));
}

TEST(CertificateRequest, SubjectIsDomainComponentThenCommonName) {
  RequestInAFile const file;
  EXPECT_EQ(
      OutputOf("openssl req -inform DER -in " + file.Path + " -noout -subject -nameopt oneline"),
      "subject=DC = my-tenant, CN = my-client\n");
}

std::string FromHex(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string{hex.substr(i, 2)}, nullptr, 16));
  }
  return bytes;
}

/// Written down from the contract by hand, as .NET writes it: everything but the public key and the signature.
TEST(CertificateRequest, IsByteForByteTheOneMadeByHand) {
  ReadyKeys keys;
  auto const key = keys.GetOrCreateKey({}, {});
  auto const der = MakeCertificateRequest({"my-client", "my-tenant", R"({"vmId":"a","vmssId":"b"})"}, *key);
  auto const& publicKey = key->SubjectPublicKeyInfo();
  ASSERT_EQ(publicKey.size(), 294U);  // RSA 2048, exponent 65537

  std::string const information = FromHex(
                                      "30820187"                   // SEQUENCE
                                      "020100"                     // version 0
                                      "302f"                       // SEQUENCE, the subject
                                      "3119301706"                 // SET, SEQUENCE, OBJECT IDENTIFIER
                                      "0a0992268993f22c640119"     // domainComponent
                                      "16096d792d74656e616e74"     // IA5String "my-tenant"
                                      "3112301006"                 // SET, SEQUENCE, OBJECT IDENTIFIER
                                      "03550403"                   // commonName
                                      "13096d792d636c69656e74") +  // PrintableString "my-client"
                                  std::string{publicKey.begin(), publicKey.end()} +
                                  FromHex(
                                      "a02b302906"  // [0], SEQUENCE, OBJECT IDENTIFIER
                                      "0a2b060104018237"
                                      "5a020a"   // 1.3.6.1.4.1.311.90.2.10
                                      "311b") +  // SET
                                  FromHex("0c19") +
                                  R"({"vmId":"a","vmssId":"b"})";  // UTF8String
  std::string const algorithm = FromHex(
      "303d"                                                      // SEQUENCE
      "06092a864886f70d01010a"                                    // RSASSA-PSS
      "3030"                                                      // SEQUENCE, its parameters
      "a00d300b0609608648016503040201"                            // [0] SHA-256, without NULL
      "a11a301806092a864886f70d010108300b0609608648016503040201"  // [1] MGF1 with SHA-256, without NULL
      "a203020120"                                                // [2] 32
      "03820101"
      "00");  // BIT STRING
  std::string const actual{der.begin(), der.end()};
  EXPECT_EQ(actual.substr(4, information.size()), information);
  EXPECT_EQ(actual.substr(4 + information.size(), algorithm.size()), algorithm);
  EXPECT_EQ(actual.size(), 4 + information.size() + algorithm.size() + 256);
}

TEST(CertificateRequest, ClientIdThatIsNoPrintableStringIsUtf8) {
  ReadyKeys keys;
  auto const der = MakeCertificateRequest({"me@home", "t", "{}"}, *keys.GetOrCreateKey({}, {}));
  EXPECT_THAT((std::string{der.begin(), der.end()}), HasSubstr("\x0c\x07me@home"));
}

/// Structure of RFC 2986 and RFC 4055, tag by tag.
TEST(CertificateRequest, Asn1parseShowsTheStructure) {
  RequestInAFile const file;
  auto const text = OutputOf("openssl asn1parse -inform DER -in " + file.Path);
  EXPECT_THAT(text, MatchesRegex("(.|\n)*INTEGER +:00\n(.|\n)*"));
  EXPECT_THAT(text, MatchesRegex("(.|\n)*:commonName\n[^\n]*PRINTABLESTRING +:my-client\n(.|\n)*"));
  EXPECT_THAT(text, MatchesRegex("(.|\n)*:domainComponent\n[^\n]*IA5STRING +:my-tenant\n(.|\n)*"));
  EXPECT_THAT(text, MatchesRegex("(.|\n)*:rsaEncryption\n[^\n]*NULL(.|\n)*"));
  EXPECT_THAT(
      text, MatchesRegex("(.|\n)*cont \\[ 0 \\](.|\n)*OBJECT +:1.3.6.1.4.1.311.90.2.10\n[^\n]*SET +\n[^\n]*UTF8STRING +"
                         ":\\{\"vmId\":\"a\",\"vmssId\":\"b\"\\}\n(.|\n)*"));
  EXPECT_THAT(
      text, MatchesRegex("(.|\n)*:rsassaPss\n(.|\n)*:sha256\n(.|\n)*:mgf1\n(.|\n)*:sha256\n(.|\n)*:20\n(.|\n)*"));
  // The trailer field is the default and so left out: no fourth context tag.
  EXPECT_EQ(text.find("cont [ 3 ]"), std::string::npos);
}

TEST(CertificateRequest, IsDerThroughAndThrough) {
  auto const der = MakeRequest();
  auto const* position = der.data();
  std::unique_ptr<X509_REQ, void (*)(X509_REQ*)> const request{
      d2i_X509_REQ(nullptr, &position, static_cast<long>(der.size())), X509_REQ_free};
  ASSERT_TRUE(request);
  EXPECT_EQ(position, der.data() + der.size());
  unsigned char* again = nullptr;
  // Encoded anew, not copied from what was read.
  X509_REQ_set_version(request.get(), 0);
  int const length = i2d_re_X509_REQ_tbs(request.get(), &again);
  std::vector<std::uint8_t> const information(again, again + length);
  OPENSSL_free(again);
  EXPECT_NE(std::search(der.begin(), der.end(), information.begin(), information.end()), der.end());
  EXPECT_EQ(X509_REQ_get_attr_count(request.get()), 1);
}

TEST(CertificateRequest, TravelsAsBase64OnOneLineWithCuIdInTheContractsOrder) {
  ManagedIdentityWorld world;
  world.Get();
  auto const body = json::parse(world.Cloud->All("/issuecredential").at(0).Body);
  auto const csr = body.at("csr").get<std::string>();
  EXPECT_EQ(csr.find_first_of("\r\n-"), std::string::npos);
  auto const der = FromBase64(csr);
  std::string const raw{der.begin(), der.end()};
  // The service sent vmssId first.
  EXPECT_THAT(raw, HasSubstr(R"({"vmId":"vm-1","vmssId":"vmss-1"})"));
  EXPECT_FALSE(body.contains("attestation_token"));
}

TEST(CertificateRequest, AbsentMemberOfCuIdIsLeftOut) {
  for (std::string const member : {"vmId", "vmssId"}) {
    ManagedIdentityWorld world;
    auto metadata = world.Cloud->MetadataAnswer();
    metadata["cuId"] = {{member, "only"}};
    world.Cloud->Intercept = [metadata](Arrived const& arrived) {
      return arrived.Path.find("getplatformmetadata") != std::string::npos ? std::make_optional(JsonAnswer(metadata))
                                                                           : std::nullopt;
    };
    world.Get();
    auto const der = FromBase64(json::parse(world.Cloud->All("/issuecredential").at(0).Body).at("csr"));
    EXPECT_THAT((std::string{der.begin(), der.end()}), HasSubstr("{\"" + member + "\":\"only\"}"));
  }
}

struct BadCertificate {
  std::string Name;
  std::function<void(FakeCloud&)> Spoil;
};

class IssuedCertificateTest : public testing::TestWithParam<BadCertificate> {};

TEST_P(IssuedCertificateTest, IsRefused) {
  ManagedIdentityWorld world;
  GetParam().Spoil(*world.Cloud);
  auto const error = ErrorOf([&] { world.Get(); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Code(), errors::IssuedCertificateRejected) << error->what();
  EXPECT_EQ(error->Details().CorrelationId.size(), 36U);
  EXPECT_EQ(world.Cloud->Count("/token"), 0);
}

void ReplaceCertificate(FakeCloud& cloud, std::function<std::vector<std::uint8_t>()> make) {
  cloud.Intercept = [&cloud, make](Arrived const& arrived) -> std::optional<Answer> {
    if (arrived.Path.find("issuecredential") == std::string::npos) return std::nullopt;
    auto answer = cloud.IssueAnswer(arrived.Body);
    auto const der = make();
    std::string text(4 * ((der.size() + 2) / 3) + 1, '\0');
    text.resize(static_cast<std::size_t>(
        EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), der.data(), static_cast<int>(der.size()))));
    answer["certificate"] = text;
    return JsonAnswer(answer);
  };
}

INSTANTIATE_TEST_SUITE_P(
    Section3,
    IssuedCertificateTest,
    testing::Values(
        BadCertificate{
            "ForAnotherKey",
            [](FakeCloud& cloud) {
              ReplaceCertificate(cloud, [] {
                std::shared_ptr<EVP_PKEY> const other{EVP_RSA_gen(2048), EVP_PKEY_free};
                auto const now = std::chrono::system_clock::now();
                std::vector<std::uint8_t> publicKey(static_cast<std::size_t>(i2d_PUBKEY(other.get(), nullptr)));
                auto* out = publicKey.data();
                i2d_PUBKEY(other.get(), &out);
                return IssueCertificate(publicKey, now - std::chrono::hours{1}, now + std::chrono::hours{1});
              });
            }},
        BadCertificate{
            "ThatIsNone",
            [](FakeCloud& cloud) { ReplaceCertificate(cloud, [] { return std::vector<std::uint8_t>(50); }); }},
        BadCertificate{"ForServers", [](FakeCloud& cloud) { cloud.Certificates.ExtendedKeyUsage = "serverAuth"; }},
        BadCertificate{
            "WithoutDigitalSignature",
            [](FakeCloud& cloud) { cloud.Certificates.KeyUsage = "critical,keyEncipherment"; }},
        BadCertificate{
            "ThatHasExpired",
            [](FakeCloud& cloud) {
              cloud.Certificates.Backdate = std::chrono::hours{2};
              cloud.Certificates.Life = std::chrono::seconds{-60};
            }},
        BadCertificate{
            "ThatIsNotValidYet", [](FakeCloud& cloud) { cloud.Certificates.Backdate = std::chrono::seconds{-3600}; }}),
    [](auto const& row) { return row.param.Name; });

TEST(IssuedCertificate, ThatIsNotValidNowIsToldWithDatesAndLocalTime) {
  ScopedTimeZone const newfoundland{"NST3:30"};
  ManagedIdentityWorld world;
  world.Cloud->Certificates.Backdate = std::chrono::seconds{-3600};
  auto const now = world.Time->Now();
  auto const error = ErrorOf([&] { world.Get(); });
  ASSERT_TRUE(error);
  EXPECT_THAT(error->what(), HasSubstr("from " + ToTimestamp(now + std::chrono::hours{1}).substr(0, 16)));
  EXPECT_THAT(error->what(), HasSubstr(ToTimestamp(now)));
  EXPECT_THAT(error->what(), HasSubstr(ToTimestamp(now - std::chrono::minutes{210}).substr(0, 19) + "-03:30"));
}

TEST(IssuedCertificate, WithoutUsageExtensionsIsTaken) {
  ManagedIdentityWorld world;
  world.Cloud->Certificates.KeyUsage = "";
  world.Cloud->Certificates.ExtendedKeyUsage = "";
  EXPECT_EQ(world.Get().Type, TokenType::MtlsPop);
}

TEST(IssuedCertificate, TokenEndpointThatIsNotHttpsIsRefused) {
  ManagedIdentityWorld world;
  world.Cloud->TokenHost = "http://region.mtlsauth.microsoft.com";
  EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), "imds_response_malformed");
}

TEST(MinimumStrength, IsCheckedBeforeAnythingIsSent) {
  ManagedIdentityWorld world;
  world.Options.MinimumStrength = KeyStrength::KeyGuard;
  EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), "minimum_strength_not_available");
  EXPECT_EQ(world.Cloud->Count(""), 0);
}

TEST(MinimumStrength, ProviderThatFallsShortOfItsWordIsFoundOut) {
  class Boasting final : public KeyProvider {
   public:
    KeyStrength HighestStrength() const noexcept override { return KeyStrength::KeyGuard; }
    gsl::not_null<std::shared_ptr<BindingKey const>> GetOrCreateKey(
        KeyRequest const& request, Context const& c) override {
      return ReadyKeys{}.GetOrCreateKey(request, c);
    }
  };
  ManagedIdentityWorld world;
  world.Options.MinimumStrength = KeyStrength::Hardware;
  world.Options.Keys = std::make_shared<Boasting>();
  EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), "minimum_strength_not_available");
  EXPECT_EQ(world.Cloud->Count("/issuecredential"), 0);
}

TEST(KeyProviders, ChainTakesTheFirstThatCanAndFallsBackNoFurtherThanAllowed) {
  class Failing final : public KeyProvider {
   public:
    KeyStrength HighestStrength() const noexcept override { return KeyStrength::KeyGuard; }
    gsl::not_null<std::shared_ptr<BindingKey const>> GetOrCreateKey(KeyRequest const&, Context const&) override {
      throw Error{{errors::KeyUnavailable, "No isolation", "Turn it on"}};
    }
  };
  auto const software = std::make_shared<ReadyKeys>();
  auto const chain = MakeKeyProviderChain(
      {gsl::make_not_null(std::shared_ptr<KeyProvider>{std::make_shared<Failing>()}),
       gsl::make_not_null(std::shared_ptr<KeyProvider>{software})});
  EXPECT_EQ(chain->HighestStrength(), KeyStrength::KeyGuard);
  EXPECT_EQ(chain->GetOrCreateKey({}, {})->Strength(), KeyStrength::Software);
  EXPECT_EQ(ErrorCodeOf([&] { chain->GetOrCreateKey({KeyStrength::Hardware}, {}); }), "key_unavailable");
}

/// A tier that has nothing just now: a key that another process keeps busy, a TPM that is not ready.
class UnableJustNow final : public KeyProvider {
 public:
  KeyStrength HighestStrength() const noexcept override { return KeyStrength::None; }
  gsl::not_null<std::shared_ptr<BindingKey const>> GetOrCreateKey(KeyRequest const&, Context const&) override {
    ++Asked;
    if (IsOver) return ReadyKeys{KeyStrength::KeyGuard}.GetOrCreateKey({}, {});
    ErrorDetails details{errors::KeyUnavailable, "The key is being replaced", "Try again"};
    details.Transient = true;
    throw Error{std::move(details)};
  }
  bool IsOver = false;
  int Asked = 0;
};

gsl::not_null<std::shared_ptr<KeyProvider>> ChainOf(
    std::shared_ptr<UnableJustNow> const& first, std::shared_ptr<ReadyKeys> const& second) {
  return MakeKeyProviderChain(
      {gsl::make_not_null(std::shared_ptr<KeyProvider>{first}),
       gsl::make_not_null(std::shared_ptr<KeyProvider>{second})});
}

TEST(KeyProviders, ChainSaysWhyAStrongKeyCannotBeHadJustNow) {
  auto const unable = std::make_shared<UnableJustNow>();
  auto const chain = ChainOf(unable, std::make_shared<ReadyKeys>());
  EXPECT_EQ(chain->GetOrCreateKey({}, {})->Strength(), KeyStrength::Software);
  EXPECT_EQ(unable->Asked, 0) << "another one can";
  try {
    chain->GetOrCreateKey({KeyStrength::KeyGuard}, {});
    ADD_FAILURE() << "there was a key";
  } catch (Error const& error) {
    EXPECT_EQ(error.Code(), errors::KeyUnavailable);
    EXPECT_TRUE(error.Details().Transient);
  }
  unable->IsOver = true;
  EXPECT_EQ(chain->GetOrCreateKey({KeyStrength::KeyGuard}, {})->Strength(), KeyStrength::KeyGuard);
}

TEST(KeyProviders, ChainOfThoseThatNeverCanSaysSo) {
  auto const chain = MakeKeyProviderChain(
      {gsl::make_not_null(std::shared_ptr<KeyProvider>{std::make_shared<ReadyKeys>(KeyStrength::Software)})});
  EXPECT_EQ(ErrorCodeOf([&] { chain->GetOrCreateKey({KeyStrength::KeyGuard}, {}); }), "minimum_strength_not_available");
}

TEST(MinimumStrength, ThatCannotBeHadJustNowIsNotCalledUnavailableForGood) {
  ManagedIdentityWorld world;
  auto const unable = std::make_shared<UnableJustNow>();
  world.Options.Keys = ChainOf(unable, std::make_shared<ReadyKeys>()).get();
  world.Options.MinimumStrength = KeyStrength::KeyGuard;
  EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), "key_unavailable");
  EXPECT_EQ(world.Cloud->Count(""), 0);
  unable->IsOver = true;
  EXPECT_EQ(world.Get().Type, TokenType::MtlsPop);
}

/// The two things that take long at the beginning do not wait for each other.
TEST(KeyProviders, KeyIsMadeWhileTheMetadataIsFetched) {
  class Waiting final : public KeyProvider {
   public:
    KeyStrength HighestStrength() const noexcept override { return KeyStrength::Software; }
    gsl::not_null<std::shared_ptr<BindingKey const>> GetOrCreateKey(
        KeyRequest const& request, Context const& context) override {
      Begun.Set();
      EXPECT_TRUE(Asked.Wait());
      return inner_.GetOrCreateKey(request, context);
    }
    Event Begun;
    Event Asked;

   private:
    ReadyKeys inner_;
  };
  ManagedIdentityWorld world;
  auto const keys = std::make_shared<Waiting>();
  world.Options.Keys = keys;
  world.Cloud->Intercept = [&keys](Arrived const& arrived) -> std::optional<Answer> {
    if (!IsProbe(arrived) && arrived.Path.find("getplatformmetadata") != std::string::npos) {
      keys->Asked.Set();
      EXPECT_TRUE(keys->Begun.Wait());
    }
    return std::nullopt;
  };
  EXPECT_EQ(world.Get().Type, TokenType::MtlsPop);
}

/// Section 8: keys that live for one boot of the machine go while their certificate stays.
TEST(KeyProviders, KeyThatSignsNoMoreIsReplacedAtTheNextRotation) {
  /// Signs until it is told that the machine was started anew.
  class Mortal final : public BindingKey {
   public:
    Mortal(std::shared_ptr<BindingKey const> inner, std::shared_ptr<std::atomic<bool>> dead)
        : inner_(std::move(inner)), dead_(std::move(dead)) {}
    KeyStrength Strength() const noexcept override { return inner_->Strength(); }
    std::vector<std::uint8_t> const& SubjectPublicKeyInfo() const noexcept override {
      return inner_->SubjectPublicKeyInfo();
    }
    std::vector<std::uint8_t> SignPssSha256(gsl::span<std::uint8_t const> data) const override {
      if (*dead_) throw Error{{errors::PrivateKeyUnusable, "The key is gone", "Make another"}};
      return inner_->SignPssSha256(data);
    }
    gsl::not_null<std::shared_ptr<PrivateKeyHandle const>> Handle() const override { return inner_->Handle(); }

   private:
    std::shared_ptr<BindingKey const> inner_;
    std::shared_ptr<std::atomic<bool>> dead_;
  };
  class PerBootKeys final : public KeyProvider {
   public:
    KeyStrength HighestStrength() const noexcept override { return KeyStrength::Software; }
    gsl::not_null<std::shared_ptr<BindingKey const>> GetOrCreateKey(
        KeyRequest const& request, Context const& context) override {
      Forced = request.ForceNew;
      Dead = std::make_shared<std::atomic<bool>>(false);
      return gsl::make_not_null(std::shared_ptr<BindingKey const>{
          std::make_shared<Mortal>(inner_.GetOrCreateKey(request, context).get(), Dead)});
    }
    std::shared_ptr<std::atomic<bool>> Dead;
    std::atomic<bool> Forced{false};

   private:
    ReadyKeys inner_;
  };
  ManagedIdentityWorld world;
  auto const keys = std::make_shared<PerBootKeys>();
  world.Options.Keys = keys;
  auto const first = world.Get();
  *keys->Dead = true;
  world.Time->Advance(std::chrono::hours{9});
  auto const second = world.Get();
  EXPECT_NE(second.Binding->X5tS256(), first.Binding->X5tS256());
  EXPECT_TRUE(keys->Forced);
  EXPECT_THAT(world.Lines->Text(), testing::HasSubstr("key.replaced"));
}

TEST(KeyProviders, SoftwareKeysAreNewEachTime) {
  auto const keys = MakeSoftwareKeyProvider();
  auto const first = keys->GetOrCreateKey({}, {});
  auto const second = keys->GetOrCreateKey({}, {});
  EXPECT_NE(first->SubjectPublicKeyInfo(), second->SubjectPublicKeyInfo());
  EXPECT_EQ(ErrorCodeOf([&] { keys->GetOrCreateKey({KeyStrength::Hardware}, {}); }), "minimum_strength_not_available");
}

TEST(KeyProviders, KeysThatImdsWouldNotTakeAreRefused) {
  std::shared_ptr<EVP_PKEY> const elliptic{EVP_EC_gen("P-256"), EVP_PKEY_free};
  std::shared_ptr<EVP_PKEY> const tooShort{EVP_RSA_gen(1024), EVP_PKEY_free};
  for (auto const& key : {elliptic, tooShort}) {
    EXPECT_EQ(
        ErrorCodeOf([&] { openssl::WrapBindingKey(gsl::make_not_null(key.get()), KeyStrength::Software); }),
        "key_unavailable");
  }
}

TEST(Der, LongLengthsAndLargeArcs) {
  std::vector<std::uint8_t> const content(300, 7);
  auto const encoded = der::Encode(der::Tag::Sequence, gsl::span<std::uint8_t const>{content});
  EXPECT_EQ(encoded.size(), 304U);
  EXPECT_THAT(
      (std::vector<std::uint8_t>{encoded.begin(), encoded.begin() + 4}), testing::ElementsAre(0x30, 0x82, 1, 0x2C));
  EXPECT_THAT(
      der::ObjectIdentifier({1, 2, 840, 113549}), testing::ElementsAre(6, 6, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D));
  EXPECT_THAT(der::Null(), testing::ElementsAre(5, 0));
}

}  // namespace
}  // namespace mtlspop::test
