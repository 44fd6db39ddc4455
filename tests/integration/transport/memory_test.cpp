// What happens where there is no memory: in this program every so-manieth allocation of the thread under test fails.

#include <array>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rsa.h>

#include "mtlspop/transport/signer.hpp"
#include "support/failing_allocations.hpp"
#include "support/software_signer.hpp"
#include "transport_test.hpp"

namespace mtlspop::test {
namespace {

/// 0 for no failure.
thread_local std::uint64_t failEvery = 0;
thread_local std::uint64_t allocations = 0;

}  // namespace

bool Fails() noexcept { return failEvery != 0 && ++allocations % failEvery == 0; }

namespace {

std::string CodeOfReading(Response& response) {
  std::array<std::uint8_t, 64> buffer{};
  try {
    while (response.Body->Read(buffer, Context{}) != 0) continue;
  } catch (Error const& error) {
    failEvery = 0;
    return std::string{error.Code().Name()};
  }
  return "no error";
}

/// A failed allocation costs its request, with an error that says so, and nothing else.
TEST(AttackMemoryTest, AFailedAllocationCostsItsRequestAndNothingElse) {
  ASSERT_EQ(failingIsInstalled, 1);
  ScriptedServer server{AskingTlsServer(), [](ScriptedConnection& connection) {
                          connection.ReadRequest();
                          connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
                        }};
  auto const transport = MakeTransport();
  auto const binding = NewBinding();
  ASSERT_EQ(Fetch(transport, Get(server.Url()), binding).Status, 200);

  int failed = 0;
  for (std::uint64_t every = 1; every <= 20000; ++every) {
    // Now and then one that has no session to resume.
    auto const used = every % 4 == 0 ? MakeTransport() : transport;
    auto request = Get(server.Url());
    std::string code = "no error";
    std::unique_ptr<Response> response;
    failEvery = every;
    try {
      response = used->Send(request, binding, Context{});
    } catch (Error const& error) {
      failEvery = 0;
      code = error.Code().Name();
      // Not the other side's fault, nor the certificate's.
      EXPECT_EQ(code, "system_failure") << every << ": " << error.what();
    }
    failed += response ? 0 : 1;
    if (response) code = CodeOfReading(*response);
    failEvery = 0;
    EXPECT_THAT(code, testing::AnyOf("no error", "system_failure")) << every;
    response.reset();
    if (every % 100 == 1) {
      EXPECT_EQ(Fetch(transport, Get(server.Url()), binding).Status, 200) << every;
    }
  }
  EXPECT_GT(failed, 100);
  EXPECT_EQ(Fetch(transport, Get(server.Url()), binding).Status, 200);
}

/// What all keys share is made with the first of them: where there was no memory for it, the next one makes it.
TEST(SignerMemoryTest, AKeyCanBeMadeWhenThereIsMemoryAgain) {
  auto const signer = std::make_shared<SoftwareSigner>(
      std::shared_ptr<EVP_PKEY>{EVP_RSA_gen(2048), &EVP_PKEY_free},
      std::vector<openssl::SignatureAlgorithm>{openssl::SignatureAlgorithm::RsaPss});
  auto const make = [&] { return openssl::MakeSignerKey(std::shared_ptr<openssl::Signer const>{signer}); };
  // All but the last step, as OpenSSL remembers for ever what it could not look up at first.
  class SignsNothing final : public openssl::Signer {
   public:
    explicit SignsNothing(openssl::Signer const& other) : other_(other) {}
    std::vector<std::uint8_t> const& SubjectPublicKeyInfo() const noexcept override {
      return other_.SubjectPublicKeyInfo();
    }
    std::vector<openssl::SignatureAlgorithm> Algorithms() const override { return other_.Algorithms(); }
    std::vector<std::uint8_t> Sign(openssl::SignatureRequest const& request, Context const& context) const override {
      return std::vector<std::uint8_t>(other_.Sign(request, context).size());
    }

   private:
    openssl::Signer const& other_;
  };
  EXPECT_EQ(
      ErrorCodeOf([&] { openssl::MakeSignerKey(std::make_shared<SignsNothing>(*signer)); }), "private_key_unusable");

  std::string last;
  for (std::uint64_t every = 1; every <= 4000; every += 20) {
    allocations = 0;
    failEvery = every;
    try {
      make();
    } catch (std::exception const& error) {
      failEvery = 0;
      last = error.what();
    }
    failEvery = 0;
  }
  EXPECT_NO_THROW(make()) << last;
}

/// What certificate requests name a PSS signature by is right or not there: what it leaves out stands for SHA-1.
TEST(SignerMemoryTest, ASignatureIsNamedRightlyOrNotAtAll) {
  std::shared_ptr<EVP_PKEY> const original{EVP_RSA_gen(2048), &EVP_PKEY_free};
  auto const key =
      openssl::MakeSignerKey(gsl::make_not_null(std::shared_ptr<openssl::Signer const>{std::make_shared<SoftwareSigner>(
          original, std::vector<openssl::SignatureAlgorithm>{openssl::SignatureAlgorithm::RsaPss})}));
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> const signing{EVP_MD_CTX_new(), &EVP_MD_CTX_free};
  EVP_PKEY_CTX* options = nullptr;
  ASSERT_EQ(EVP_DigestSignInit(signing.get(), &options, EVP_sha256(), nullptr, key.get().get()), 1);
  ASSERT_EQ(EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING), 1);
  ASSERT_EQ(EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST), 1);
  auto const read = [&](std::uint64_t every) {
    std::array<unsigned char, 256> der{};
    std::array<OSSL_PARAM, 2> parameters{
        OSSL_PARAM_construct_octet_string(OSSL_SIGNATURE_PARAM_ALGORITHM_ID, der.data(), der.size()),
        OSSL_PARAM_construct_end()};
    allocations = 0;
    failEvery = every;
    int const got = EVP_PKEY_CTX_get_params(options, parameters.data());
    failEvery = 0;
    return got == 1 ? std::string(der.begin(), der.begin() + static_cast<std::ptrdiff_t>(parameters[0].return_size))
                    : std::string{};
  };
  auto const whole = read(0);
  ASSERT_FALSE(whole.empty());
  int failed = 0;
  for (std::uint64_t every = 1; every <= 200; ++every) {
    auto const der = read(every);
    failed += der.empty() ? 1 : 0;
    EXPECT_THAT(der, testing::AnyOf("", whole)) << every;
  }
  EXPECT_GT(failed, 10);
  EXPECT_LT(failed, 200);
}

}  // namespace
}  // namespace mtlspop::test
