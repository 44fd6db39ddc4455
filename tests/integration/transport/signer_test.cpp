// Keys whose private operations are a callback, everywhere where OpenSSL signs.

#include <gmock/gmock.h>

#include <atomic>
#include <stdexcept>
#include <thread>

#include <openssl/err.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "mtlspop/transport/openssl.hpp"
#include "mtlspop/transport/signer.hpp"
#include "signer_binding.hpp"
#include "support/in_child.hpp"
#include "support/software_signer.hpp"
#include "transport_test.hpp"

namespace mtlspop::test {
namespace {

using openssl::MakeSignerKey;
using openssl::SignatureAlgorithm;
using openssl::SignatureRequest;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using Bytes = std::vector<std::uint8_t>;
using Key = std::shared_ptr<EVP_PKEY>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

Key NewKey(std::string const& kind) {
  auto* const key = kind == "RSA" ? EVP_RSA_gen(2048) : EVP_EC_gen(kind.c_str());
  return Key{key, &EVP_PKEY_free};
}

Key const& RsaKey() {
  static Key const key = NewKey("RSA");
  return key;
}

std::shared_ptr<SoftwareSigner> RsaSigner(std::vector<SignatureAlgorithm> algorithms, bool signsData = false) {
  return std::make_shared<SoftwareSigner>(RsaKey(), std::move(algorithms), signsData);
}

Key Wrap(std::shared_ptr<SoftwareSigner> const& signer) {
  return MakeSignerKey(gsl::make_not_null(std::shared_ptr<openssl::Signer const>{signer})).get();
}

struct Padding {
  int Mode = 0;
  int Salt = RSA_PSS_SALTLEN_DIGEST;
};

bool Prepare(EVP_PKEY_CTX* options, Padding padding) {
  if (padding.Mode == 0) return true;
  return EVP_PKEY_CTX_set_rsa_padding(options, padding.Mode) == 1 &&
         (padding.Mode != RSA_PKCS1_PSS_PADDING || EVP_PKEY_CTX_set_rsa_pss_saltlen(options, padding.Salt) == 1);
}

/// As whoever signs a client assertion does it. Empty where it cannot be done.
Bytes SignData(Key const& key, EVP_MD const* digest, Padding padding, std::string const& data) {
  DigestContext const context{EVP_MD_CTX_new(), &EVP_MD_CTX_free};
  EVP_PKEY_CTX* options = nullptr;
  std::size_t length = 0;
  auto const* const bytes = reinterpret_cast<unsigned char const*>(data.data());
  if (EVP_DigestSignInit(context.get(), &options, digest, nullptr, key.get()) != 1 || !Prepare(options, padding) ||
      EVP_DigestSign(context.get(), nullptr, &length, bytes, data.size()) != 1) {
    return {};
  }
  Bytes signature(length);
  if (EVP_DigestSign(context.get(), signature.data(), &length, bytes, data.size()) != 1) return {};
  signature.resize(length);
  return signature;
}

bool VerifyData(
    Key const& key, EVP_MD const* digest, Padding padding, std::string const& data, Bytes const& signature) {
  DigestContext const context{EVP_MD_CTX_new(), &EVP_MD_CTX_free};
  EVP_PKEY_CTX* options = nullptr;
  return EVP_DigestVerifyInit(context.get(), &options, digest, nullptr, key.get()) == 1 && Prepare(options, padding) &&
         EVP_DigestVerify(
             context.get(), signature.data(), signature.size(), reinterpret_cast<unsigned char const*>(data.data()),
             data.size()) == 1;
}

TEST(SignerTest, SignsAsAKeyInMemoryDoes) {
  std::string const data(1000, 'x');
  for (auto const& signer :
       {RsaSigner({SignatureAlgorithm::RsaPss, SignatureAlgorithm::RsaPkcs1}), RsaSigner({SignatureAlgorithm::RsaRaw}),
        RsaSigner({SignatureAlgorithm::RsaPss, SignatureAlgorithm::RsaPkcs1}, true)}) {
    auto const key = Wrap(signer);
    for (auto const* digest : {EVP_sha256(), EVP_sha384(), EVP_sha512()}) {
      for (auto const padding :
           {Padding{RSA_PKCS1_PADDING}, Padding{RSA_PKCS1_PSS_PADDING}, Padding{RSA_PKCS1_PSS_PADDING, 0},
            Padding{RSA_PKCS1_PSS_PADDING, 17}, Padding{RSA_PKCS1_PSS_PADDING, RSA_PSS_SALTLEN_MAX}}) {
        auto const signature = SignData(key, digest, padding, data);
        EXPECT_TRUE(VerifyData(RsaKey(), digest, padding, data, signature));
        EXPECT_TRUE(VerifyData(key, digest, padding, data, signature));
        EXPECT_FALSE(VerifyData(key, digest, padding, data + "y", signature));
      }
    }
  }
}

/// What is running is SHA-512: as another digest it would be written into room for that one, and be signed under its name.
TEST(SignerTest, KeepsTheDigestThatIsRunning) {
  auto const signer = RsaSigner({SignatureAlgorithm::RsaPkcs1});
  auto const key = Wrap(signer);
  auto const signature = SignData(key, EVP_sha512(), {RSA_PKCS1_PADDING}, "data");
  auto const* const data = reinterpret_cast<unsigned char const*>("data");
  EVP_PKEY_CTX* options = nullptr;

  DigestContext const signing{EVP_MD_CTX_new(), &EVP_MD_CTX_free};
  ASSERT_EQ(EVP_DigestSignInit(signing.get(), &options, EVP_sha512(), nullptr, key.get()), 1);
  ASSERT_TRUE(Prepare(options, {RSA_PKCS1_PADDING}));
  EXPECT_NE(EVP_PKEY_CTX_set_signature_md(options, EVP_sha256()), 1);
  EXPECT_EQ(EVP_PKEY_CTX_set_signature_md(options, EVP_sha512()), 1) << "it is this one";
  Bytes signedAnyway(512);
  auto length = signedAnyway.size();
  EXPECT_EQ(EVP_DigestSign(signing.get(), signedAnyway.data(), &length, data, 4), 1);
  signedAnyway.resize(length);
  EXPECT_EQ(signedAnyway, signature);

  DigestContext const verifying{EVP_MD_CTX_new(), &EVP_MD_CTX_free};
  ASSERT_EQ(EVP_DigestVerifyInit(verifying.get(), &options, EVP_sha512(), nullptr, key.get()), 1);
  ASSERT_TRUE(Prepare(options, {RSA_PKCS1_PADDING}));
  EXPECT_NE(EVP_PKEY_CTX_set_signature_md(options, EVP_sha256()), 1);
  EXPECT_EQ(EVP_DigestVerify(verifying.get(), signature.data(), signature.size(), data, 4), 1);
  ERR_clear_error();
}

TEST(SignerTest, SignsWithBothCurves) {
  for (auto const* curve : {"P-256", "P-384"}) {
    auto const original = NewKey(curve);
    auto const key =
        Wrap(std::make_shared<SoftwareSigner>(original, std::vector<SignatureAlgorithm>{SignatureAlgorithm::Ecdsa}));
    for (auto const* digest : {EVP_sha256(), EVP_sha384()}) {
      auto const signature = SignData(key, digest, {}, "data");
      EXPECT_TRUE(VerifyData(original, digest, {}, "data", signature)) << curve;
    }
  }
}

TEST(SignerTest, SignsCertificateRequests) {
  for (auto const mode : {0, RSA_PKCS1_PADDING, RSA_PKCS1_PSS_PADDING}) {
    auto const original = mode == 0 ? NewKey("P-256") : RsaKey();
    auto const key = Wrap(std::make_shared<SoftwareSigner>(
        original, mode == 0 ? std::vector<SignatureAlgorithm>{SignatureAlgorithm::Ecdsa}
                            : std::vector<SignatureAlgorithm>{SignatureAlgorithm::RsaRaw}));
    std::unique_ptr<X509_REQ, decltype(&X509_REQ_free)> const request{X509_REQ_new(), &X509_REQ_free};
    ASSERT_EQ(X509_REQ_set_pubkey(request.get(), key.get()), 1);
    DigestContext const context{EVP_MD_CTX_new(), &EVP_MD_CTX_free};
    EVP_PKEY_CTX* options = nullptr;
    ASSERT_EQ(EVP_DigestSignInit(context.get(), &options, EVP_sha256(), nullptr, key.get()), 1);
    ASSERT_TRUE(Prepare(options, {mode}));
    ASSERT_GT(X509_REQ_sign_ctx(request.get(), context.get()), 0);
    EXPECT_EQ(X509_REQ_verify(request.get(), original.get()), 1);
  }
}

TEST(SignerTest, DoesNotLetTheKeyOut) {
  auto const key = Wrap(RsaSigner({SignatureAlgorithm::RsaPss}));
  EXPECT_EQ(i2d_PrivateKey(key.get(), nullptr), -1);
  EXPECT_EQ(EVP_PKEY_eq(key.get(), RsaKey().get()), 1);
  EXPECT_EQ(EVP_PKEY_eq(RsaKey().get(), key.get()), 1);
  EXPECT_NE(EVP_PKEY_eq(key.get(), NewKey("RSA").get()), 1);
  EXPECT_EQ(EVP_PKEY_get_bits(key.get()), 2048);
  std::shared_ptr<EVP_PKEY> const copy{EVP_PKEY_dup(key.get()), &EVP_PKEY_free};
  EXPECT_FALSE(SignData(copy, EVP_sha256(), {RSA_PKCS1_PSS_PADDING}, "data").empty());
  ERR_clear_error();
}

TEST(SignerTest, IsTriedWhenItIsMade) {
  auto const broken = RsaSigner({SignatureAlgorithm::RsaPss});
  broken->BeforeEach = [](auto const&, auto const&) { throw std::runtime_error{"the card is out"}; };
  auto const error = ErrorOf([&] { Wrap(broken); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Code(), errors::PrivateKeyUnusable);
  try {
    Wrap(broken);
    FAIL();
  } catch (Error const& caught) {
    EXPECT_THAT(DescribeWithCauses(caught), HasSubstr("the card is out"));
  }
}

TEST(SignerTest, OfAnotherKeyIsRefused) {
  class Liar final : public openssl::Signer {
   public:
    Bytes const& SubjectPublicKeyInfo() const noexcept override { return other_.SubjectPublicKeyInfo(); }
    std::vector<SignatureAlgorithm> Algorithms() const override { return own_.Algorithms(); }
    Bytes Sign(SignatureRequest const& request, Context const& context) const override {
      return own_.Sign(request, context);
    }

   private:
    SoftwareSigner own_{NewKey("RSA"), {SignatureAlgorithm::RsaPss}};
    SoftwareSigner other_{RsaKey(), {SignatureAlgorithm::RsaPss}};
  };
  EXPECT_EQ(ErrorCodeOf([] { MakeSignerKey(std::make_shared<Liar>()); }), "private_key_unusable");
}

TEST(SignerTest, RefusesWhatNoKeyOfItsKindIs) {
  EXPECT_EQ(ErrorCodeOf([] { Wrap(RsaSigner({SignatureAlgorithm::Ecdsa})); }), "invalid_argument");
  for (auto const& key : {NewKey("P-521"), Key{EVP_RSA_gen(1024), &EVP_PKEY_free}}) {
    EXPECT_EQ(
        ErrorCodeOf([&] {
          Wrap(std::make_shared<SoftwareSigner>(
              key, std::vector<SignatureAlgorithm>{SignatureAlgorithm::RsaPss, SignatureAlgorithm::Ecdsa}));
        }),
        "invalid_argument");
  }
}

/// A device that promises PSS and cannot do it: the trial finds out, and PKCS#1 is what remains.
TEST(SignerTest, ThatCannotPssSignsWhatItCan) {
  auto const signer = RsaSigner({SignatureAlgorithm::RsaPss, SignatureAlgorithm::RsaPkcs1});
  signer->BeforeEach = [](SignatureRequest const& request, Context const&) {
    if (request.Algorithm == SignatureAlgorithm::RsaPss) throw std::runtime_error{"mechanism invalid"};
  };
  auto const key = Wrap(signer);
  EXPECT_THAT(
      signer->Asked(),
      ElementsAre(SignatureAlgorithm::RsaPss, SignatureAlgorithm::RsaPkcs1, SignatureAlgorithm::RsaPss));
  EXPECT_FALSE(SignData(key, EVP_sha256(), {RSA_PKCS1_PADDING}, "RS256").empty());
  EXPECT_TRUE(SignData(key, EVP_sha256(), {RSA_PKCS1_PSS_PADDING}, "PS256").empty());
  ERR_clear_error();
  auto const failure = openssl::TakeSigningFailure();
  ASSERT_TRUE(failure);
  EXPECT_EQ(openssl::TakeSigningFailure(), nullptr);
  auto const error = ErrorOf([&] { std::rethrow_exception(failure); });
  ASSERT_TRUE(error);
  EXPECT_THAT(error->what(), HasSubstr("RSASSA-PKCS1-v1_5 only"));

  auto const binding = SignerBinding(RsaKey(), key);
  ScriptedServer twelve{AskingTlsServer(TLS1_2_VERSION, TLS1_2_VERSION), ServeX5tS256};
  EXPECT_EQ(Fetch(MakeTransport(), Get(twelve.Url()), binding).Body, binding->X5tS256());
  ScriptedServer thirteen{AskingTlsServer(TLS1_3_VERSION, TLS1_3_VERSION), ServeX5tS256};
  auto const transport = MakeTransport(AllowTls13(TrustingOptions(), thirteen.Url()));
  auto const refused = ErrorOf([&] { Fetch(transport, Get(thirteen.Url()), binding); });
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->Code(), errors::PrivateKeyUnusable);
  EXPECT_THAT(refused->what(), HasSubstr("rsa_pkcs1_sha256"));
}

/// What a device fails at once, while it is busy, it is not taken to be unable to do for the key's whole life.
TEST(SignerTest, ThatFailsOnceInItsTrialCanDoItAll) {
  auto const signer = RsaSigner({SignatureAlgorithm::RsaPss, SignatureAlgorithm::RsaPkcs1});
  int asked = 0;
  signer->BeforeEach = [&](auto const&, auto const&) {
    if (++asked == 1) throw std::runtime_error{"the device is busy"};
  };
  auto const key = Wrap(signer);
  EXPECT_THAT(openssl::ClientSignatureAlgorithms(key.get()), HasSubstr("rsa_pss_rsae_sha256"));
  EXPECT_FALSE(SignData(key, EVP_sha256(), {RSA_PKCS1_PSS_PADDING}, "PS256").empty());
}

/// Whoever reads it wants to know why PSS failed, and not only what PKCS#1, the last resort, failed with.
TEST(SignerTest, TellsTheFirstFailureOfItsTrial) {
  auto const signer = RsaSigner({SignatureAlgorithm::RsaPss, SignatureAlgorithm::RsaPkcs1});
  signer->BeforeEach = [](SignatureRequest const& request, auto const&) {
    if (request.Algorithm == SignatureAlgorithm::RsaPss) throw std::runtime_error{"the card is out"};
    throw std::runtime_error{"mechanism invalid"};
  };
  try {
    Wrap(signer);
    FAIL();
  } catch (Error const& caught) {
    EXPECT_THAT(DescribeWithCauses(caught), HasSubstr("the card is out"));
  }
}

TEST(SignerTest, MayThrowAnything) {
  auto const signer = RsaSigner({SignatureAlgorithm::RsaPss});
  signer->BeforeEach = [](auto const&, auto const&) { throw 7; };
  EXPECT_EQ(ErrorCodeOf([&] { Wrap(signer); }), "private_key_unusable");
}

/// Somebody's signature failed before, and nobody asked why.
TEST(SignerTest, StaleFailureIsNobodysCause) {
  auto const broken = RsaSigner({SignatureAlgorithm::RsaRaw});
  auto const brokenKey = Wrap(broken);
  broken->BeforeEach = [](auto const&, auto const&) { throw std::runtime_error{"the card is out"}; };
  EXPECT_TRUE(SignData(brokenKey, EVP_sha256(), {RSA_PKCS1_PSS_PADDING}, "data").empty());
  ERR_clear_error();
  // It has no signature that TLS 1.3 takes, and is not asked for one.
  auto const binding = SignerBinding(RsaKey(), Wrap(RsaSigner({SignatureAlgorithm::RsaPkcs1})));
  ScriptedServer server{AskingTlsServer(TLS1_3_VERSION, TLS1_3_VERSION), ServeX5tS256};
  auto const transport = MakeTransport(AllowTls13(TrustingOptions(), server.Url()));
  try {
    Fetch(transport, Get(server.Url()), binding);
    FAIL();
  } catch (Error const& error) {
    EXPECT_EQ(error.Code(), errors::PrivateKeyUnusable);
    EXPECT_THAT(DescribeWithCauses(error), Not(HasSubstr("the card is out")));
  }
}

class SignerInTlsTest : public testing::TestWithParam<int> {
 protected:
  Transport TransportTo(ScriptedServer const& server) {
    return MakeTransport(AllowTls13(TrustingOptions(), server.Url()));
  }
};

TEST_P(SignerInTlsTest, AuthenticatesInTheHandshakeAndAfterIt) {
  std::vector<std::pair<Key, Key>> keys;
  for (auto const& algorithms :
       {std::vector<SignatureAlgorithm>{SignatureAlgorithm::RsaPss},
        {SignatureAlgorithm::RsaRaw},
        {SignatureAlgorithm::RsaPss, SignatureAlgorithm::RsaPkcs1}}) {
    keys.emplace_back(RsaKey(), Wrap(RsaSigner(algorithms)));
  }
  keys.emplace_back(RsaKey(), Wrap(RsaSigner({SignatureAlgorithm::RsaPss}, true)));
  for (auto const* curve : {"P-256", "P-384"}) {
    auto const original = NewKey(curve);
    keys.emplace_back(
        original,
        Wrap(std::make_shared<SoftwareSigner>(original, std::vector<SignatureAlgorithm>{SignatureAlgorithm::Ecdsa})));
  }
  ScriptedServer asking{AskingTlsServer(GetParam(), GetParam()), ServeX5tS256};
  ScriptedServer later{TlsServer(GetParam(), GetParam()), ServeX5tS256};
  for (auto const& [original, wrapped] : keys) {
    auto const binding = SignerBinding(original, wrapped);
    EXPECT_EQ(Fetch(TransportTo(asking), Get(asking.Url()), binding).Body, binding->X5tS256());
    EXPECT_EQ(Fetch(TransportTo(later), Get(later.Url()), binding).Body, binding->X5tS256());
  }
}

TEST_P(SignerInTlsTest, OwnFailureIsTheCause) {
  auto const signer = RsaSigner({SignatureAlgorithm::RsaRaw});
  auto const binding = SignerBinding(RsaKey(), Wrap(signer));
  signer->BeforeEach = [](auto const&, auto const&) {
    throw Error{{ErrorCode{"daemon_gone"}, "The daemon is gone", "Start it"}};
  };
  for (auto const& options : {AskingTlsServer(GetParam(), GetParam()), TlsServer(GetParam(), GetParam())}) {
    ScriptedServer server{options, ServeX5tS256};
    try {
      Fetch(TransportTo(server), Get(server.Url()), binding);
      FAIL();
    } catch (Error const& error) {
      EXPECT_EQ(error.Code(), errors::PrivateKeyUnusable);
      EXPECT_THAT(DescribeWithCauses(error), HasSubstr("daemon_gone: The daemon is gone"));
    }
  }
}

/// Devices' libraries use OpenSSL too, and leave in its queue what did not matter to them.
TEST_P(SignerInTlsTest, MayLeaveEntriesInTheQueueOfErrors) {
  auto const signer = RsaSigner({SignatureAlgorithm::RsaRaw});
  auto const binding = SignerBinding(RsaKey(), Wrap(signer));
  bool fails = false;
  signer->BeforeEach = [&](auto const&, auto const&) {
    ERR_raise(ERR_LIB_PEM, ERR_R_MALLOC_FAILURE);
    if (fails) throw std::runtime_error{"the card is out"};
  };
  for (auto const& options : {AskingTlsServer(GetParam(), GetParam()), TlsServer(GetParam(), GetParam())}) {
    ScriptedServer server{options, ServeX5tS256};
    fails = false;
    EXPECT_EQ(Fetch(TransportTo(server), Get(server.Url()), binding).Body, binding->X5tS256());
    fails = true;
    EXPECT_EQ(ErrorCodeOf([&] { Fetch(TransportTo(server), Get(server.Url()), binding); }), "private_key_unusable");
  }
}

/// Nor is the queue of whoever signs theirs to empty.
TEST(SignerTest, LeavesTheQueueOfErrorsAsItWas) {
  auto const signer = RsaSigner({SignatureAlgorithm::RsaRaw});
  auto const key = Wrap(signer);
  signer->BeforeEach = [](auto const&, auto const&) { ERR_raise(ERR_LIB_PEM, ERR_R_MALLOC_FAILURE); };
  ERR_clear_error();
  ERR_raise(ERR_LIB_USER, ERR_R_INTERNAL_ERROR);
  EXPECT_FALSE(SignData(key, EVP_sha256(), {RSA_PKCS1_PSS_PADDING}, "data").empty());
  EXPECT_EQ(ERR_GET_LIB(ERR_get_error()), ERR_LIB_USER);
  EXPECT_EQ(ERR_get_error(), 0U);
}

/// A deadline is the caller's: it is no fault of the key, which is not to be replaced for it.
TEST_P(SignerInTlsTest, IsGivenTheRequestsContext) {
  auto const signer = RsaSigner({SignatureAlgorithm::RsaRaw});
  auto const binding = SignerBinding(RsaKey(), Wrap(signer));
  auto const context = Patiently().WithCancellation();
  signer->BeforeEach = [&](auto const&, Context const& given) {
    EXPECT_EQ(given.Deadline() <= context.Deadline(), true);
    EXPECT_TRUE(given.CanBeCancelled());
    context.Cancel();
    given.ThrowIfEnded("Signing");
  };
  for (auto const& options : {AskingTlsServer(GetParam(), GetParam()), TlsServer(GetParam(), GetParam())}) {
    ScriptedServer server{options, ServeX5tS256};
    EXPECT_EQ(ErrorCodeOf([&] { Fetch(TransportTo(server), Get(server.Url()), binding, context); }), "cancelled");
  }
}

/// It cannot be interrupted; what comes of it is too late for the request, which is not sent.
TEST_P(SignerInTlsTest, ThatGoesOnPastTheDeadlineSendsNothing) {
  auto const signer = RsaSigner({SignatureAlgorithm::RsaRaw});
  auto const binding = SignerBinding(RsaKey(), Wrap(signer));
  bool hasSigned = false;
  signer->BeforeEach = [&](auto const&, Context const& given) {
    while (!given.IsExpired()) std::this_thread::yield();
    hasSigned = true;
  };
  std::atomic<int> requests{0};
  ScriptedServer server{AskingTlsServer(GetParam(), GetParam()), [&requests](ScriptedConnection& connection) {
                          if (connection.TryReadRequest()) ++requests;
                        }};
  auto const deadline = Context{}.WithTimeout(std::chrono::seconds{2});
  EXPECT_EQ(
      ErrorCodeOf([&] { Fetch(TransportTo(server), Get(server.Url()), binding, deadline); }), "deadline_exceeded");
  EXPECT_TRUE(hasSigned);
  EXPECT_EQ(requests, 0);
}

TEST_P(SignerInTlsTest, SignsFromManyThreads) {
  auto const binding = SignerBinding(RsaKey(), Wrap(RsaSigner({SignatureAlgorithm::RsaRaw})));
  ScriptedServer server{AskingTlsServer(GetParam(), GetParam()), [](ScriptedConnection& connection) {
                          connection.ReadRequest();
                          connection.Answer(200, connection.Facts().X5tS256, "Connection: close\r\n");
                        }};
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (int index = 0; index < 8; ++index) {
    threads.emplace_back([&] {
      auto const transport = TransportTo(server);
      for (int round = 0; round < 4; ++round) {
        good += Fetch(transport, Get(server.Url()), binding).Body == binding->X5tS256() ? 1 : 0;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good, 32);
}

/// Somebody who signs takes his time; nobody else waits for him.
TEST_P(SignerInTlsTest, ThatIsSlowDelaysNoOther) {
  auto const signer = RsaSigner({SignatureAlgorithm::RsaRaw});
  auto const slow = SignerBinding(RsaKey(), Wrap(signer));
  Event started;
  Event finish;
  signer->BeforeEach = [&](auto const&, auto const&) {
    started.Set();
    EXPECT_TRUE(finish.Wait());
  };
  ScriptedServer server{AskingTlsServer(GetParam(), GetParam()), ServeX5tS256};
  auto const transport = TransportTo(server);
  std::thread waiting{[&] { EXPECT_EQ(Fetch(transport, Get(server.Url()), slow).Body, slow->X5tS256()); }};
  ASSERT_TRUE(started.Wait());
  auto const quick = NewBinding();
  EXPECT_EQ(Fetch(transport, Get(server.Url()), quick).Body, quick->X5tS256());
  EXPECT_EQ(Fetch(transport, Get(server.Url())).Body, "");
  finish.Set();
  waiting.join();
}

INSTANTIATE_TEST_SUITE_P(Versions, SignerInTlsTest, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION));

TEST(SignerTest, SignsInAChildOfFork) {
  auto const key = Wrap(RsaSigner({SignatureAlgorithm::RsaRaw}));
  ASSERT_FALSE(SignData(key, EVP_sha256(), {RSA_PKCS1_PSS_PADDING}, "parent").empty());
  EXPECT_TRUE(InChild([&] {
    auto const signature = SignData(key, EVP_sha256(), {RSA_PKCS1_PSS_PADDING}, "child");
    return VerifyData(RsaKey(), EVP_sha256(), {RSA_PKCS1_PSS_PADDING}, "child", signature);
  }));
}

/// In a child, where the default library context can be spoilt: other providers loaded by name, and properties asked for.
TEST(SignerTest, SignsWhateverElseIsLoaded) {
  auto const key = Wrap(RsaSigner({SignatureAlgorithm::RsaRaw}));
  EXPECT_TRUE(InChild([&] {
    if (OSSL_PROVIDER_load(nullptr, "base") == nullptr || OSSL_PROVIDER_load(nullptr, "default") == nullptr)
      return false;
    OSSL_PROVIDER_load(nullptr, "legacy");
    if (EVP_set_default_properties(nullptr, "provider=default") != 1) return false;
    auto const signature = SignData(key, EVP_sha256(), {RSA_PKCS1_PSS_PADDING}, "data");
    return VerifyData(RsaKey(), EVP_sha256(), {RSA_PKCS1_PSS_PADDING}, "data", signature);
  }));
}

}  // namespace
}  // namespace mtlspop::test
