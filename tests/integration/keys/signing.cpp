#include "signing.hpp"

#include <atomic>
#include <mutex>
#include <set>
#include <thread>

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "mtlspop/policies/bound_pipeline.hpp"
#include "support/test_certificate_authority.hpp"

namespace mtlspop::test {
namespace {

using Key = std::shared_ptr<EVP_PKEY>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

Key ReadPublicKey(std::vector<std::uint8_t> const& der) {
  auto const* position = der.data();
  return Key{d2i_PUBKEY(nullptr, &position, static_cast<long>(der.size())), &EVP_PKEY_free};
}

Key PublicHalf(EVP_PKEY* key) {
  std::vector<std::uint8_t> der(static_cast<std::size_t>(i2d_PUBKEY(key, nullptr)));
  auto* out = der.data();
  i2d_PUBKEY(key, &out);
  return ReadPublicKey(der);
}

bool Pad(EVP_PKEY_CTX* options, EVP_PKEY* key, bool pss) {
  if (EVP_PKEY_is_a(key, "RSA") != 1) return true;
  return EVP_PKEY_CTX_set_rsa_padding(options, pss ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING) == 1 &&
         (!pss || EVP_PKEY_CTX_set_rsa_pss_saltlen(options, 32) == 1);
}

bool Verifies(EVP_PKEY* key, bool pss, std::string_view data, std::vector<std::uint8_t> const& signature) {
  DigestContext const digest{EVP_MD_CTX_new(), &EVP_MD_CTX_free};
  EVP_PKEY_CTX* options = nullptr;
  return EVP_DigestVerifyInit(digest.get(), &options, EVP_sha256(), nullptr, key) == 1 && Pad(options, key, pss) &&
         EVP_DigestVerify(
             digest.get(), signature.data(), signature.size(), reinterpret_cast<unsigned char const*>(data.data()),
             data.size()) == 1;
}

}  // namespace

bool Signs(BindingKey const& key, std::string_view text) {
  auto const signature = key.SignPssSha256({reinterpret_cast<std::uint8_t const*>(text.data()), text.size()});
  return Verifies(ReadPublicKey(key.SubjectPublicKeyInfo()).get(), true, text, signature);
}

bool Signs(Key const& key, bool pss) {
  std::string_view const data = "something";
  DigestContext const digest{EVP_MD_CTX_new(), &EVP_MD_CTX_free};
  EVP_PKEY_CTX* options = nullptr;
  std::vector<std::uint8_t> signature(1024);
  auto length = signature.size();
  if (EVP_DigestSignInit(digest.get(), &options, EVP_sha256(), nullptr, key.get()) != 1 ||
      !Pad(options, key.get(), pss) ||
      EVP_DigestSign(
          digest.get(), signature.data(), &length, reinterpret_cast<unsigned char const*>(data.data()), data.size()) !=
          1) {
    return false;
  }
  signature.resize(length);
  return Verifies(PublicHalf(key.get()).get(), pss, data, signature);
}

int SignFromThreads(BindingKey const& key, int threads, int rounds) {
  std::atomic<int> good{0};
  std::vector<std::thread> running;
  for (int index = 0; index < threads; ++index) {
    running.emplace_back([&] {
      for (int round = 0; round < rounds; ++round) good += Signs(key) ? 1 : 0;
    });
  }
  for (auto& thread : running) thread.join();
  return good;
}

Load AskThroughRotations(Emulator const& emulator, ManagedIdentityCredentialOptions const& options) {
  constexpr int threads = 16;
  constexpr int least = 10'000;
  auto const end = std::chrono::steady_clock::now() + std::chrono::minutes{5};
  auto const credential = std::make_shared<ManagedIdentityCredential>(options);
  std::mutex mutex;
  Load load;
  std::set<std::string> bindings;
  auto const isDone = [&] {
    std::lock_guard<std::mutex> const lock{mutex};
    return (load.Good + load.Failed >= least && bindings.size() >= 4) || std::chrono::steady_clock::now() > end;
  };
  std::vector<std::thread> running;
  for (int index = 0; index < threads; ++index) {
    running.emplace_back([&] {
      BoundPipelineOptions pipelineOptions;
      pipelineOptions.Scopes = VaultRequest().Scopes;
      auto const pipeline = MakeBoundPipeline(credential, emulator.Transport(), pipelineOptions);
      while (!isDone()) {
        std::string failure;
        std::string x5tS256;
        try {
          PipelineRequest request{
              {"GET", Url::Parse(
                          "https://" + emulator.Startup().at("vault_host").get<std::string>() +
                          "/secrets/boundsecret?api-version=7.4")},
              nullptr};
          auto const response = pipeline.Send(request, {});
          ReadToEnd(*response->Body, DefaultBufferedBodyBytes, {});
          if (response->StatusCode != 200) failure = "status " + std::to_string(response->StatusCode);
          x5tS256 = response->Connection.X5tS256;
        } catch (std::exception const& error) {
          failure = DescribeWithCauses(error);
        }
        std::lock_guard<std::mutex> const lock{mutex};
        ++(failure.empty() ? load.Good : load.Failed);
        bindings.insert(x5tS256);
        if (load.FirstFailure.empty()) load.FirstFailure = failure;
      }
    });
  }
  for (auto& thread : running) thread.join();
  load.Bindings = bindings.size();
  return load;
}

std::string IssueFor(EVP_PKEY* key, std::chrono::hours from, std::chrono::hours until) {
  auto const signer = GenerateKey(KeyKind::EcP256);
  std::unique_ptr<X509, decltype(&X509_free)> const certificate{X509_new(), &X509_free};
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 7);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), std::chrono::seconds{from}.count());
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), std::chrono::seconds{until}.count());
  auto* const name = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, reinterpret_cast<unsigned char const*>("app"), -1, -1, 0);
  X509_set_issuer_name(certificate.get(), name);
  X509_set_pubkey(certificate.get(), key);
  X509_sign(certificate.get(), signer.get(), EVP_sha256());
  std::unique_ptr<BIO, decltype(&BIO_free_all)> const out{BIO_new(BIO_s_mem()), &BIO_free_all};
  PEM_write_bio_X509(out.get(), certificate.get());
  char* text = nullptr;
  auto const length = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(length)};
}

}  // namespace mtlspop::test
