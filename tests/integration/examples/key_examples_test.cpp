// The examples of keys that are somewhere else, each included where it stands.
#include <memory>
#include <vector>

#include <openssl/rsa.h>

#include <gtest/gtest.h>

#include "mtlspop/credential/key_provider.hpp"
#include "mtlspop/credential/openssl.hpp"
#include "mtlspop/transport/signer.hpp"
#include "support/software_signer.hpp"

namespace mtlspop::test {
namespace {

std::shared_ptr<EVP_PKEY> const& RsaKey() {
  static std::shared_ptr<EVP_PKEY> const key{EVP_RSA_gen(2048), EVP_PKEY_free};
  return key;
}

EVP_PKEY* OpenMyKey() { return RsaKey().get(); }

TEST(HeaderExamples, KeyProviderGivesAKeyThatSigns) {
#include "examples/key_provider.inc"
  MyKeys keys;
  auto const key = keys.GetOrCreateKey({}, {});
  EXPECT_EQ(key->Strength(), KeyStrength::Hardware);
  std::vector<std::uint8_t> const data{1, 2, 3};
  EXPECT_EQ(key->SignPssSha256(data).size(), 256U);
}

/// Another process that signs.
class Daemon final {
 public:
  std::vector<std::uint8_t> PublicKey() const { return signer_.SubjectPublicKeyInfo(); }
  std::vector<std::uint8_t> Sign(openssl::SignatureRequest const& request, Context const& context) {
    return signer_.Sign(request, context);
  }

 private:
  SoftwareSigner signer_{RsaKey(), {openssl::SignatureAlgorithm::RsaPss}};
};

TEST(HeaderExamples, SignerIsAKeyForOpenssl) {
  Daemon daemon;
#include "examples/signer.inc"
  EXPECT_EQ(EVP_PKEY_eq(key.get().get(), RsaKey().get()), 1);
  std::vector<std::uint8_t> const data{1, 2, 3};
  EXPECT_EQ(openssl::WrapBindingKey(key.get().get(), KeyStrength::Hardware)->SignPssSha256(data).size(), 256U);
}

}  // namespace
}  // namespace mtlspop::test
