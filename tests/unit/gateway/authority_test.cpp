#include "gateway/authority.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <tuple>

#include "gateway/certificate_builder.hpp"
#include "mtlspop/transport/error.hpp"

namespace mtlspop::gateway {
namespace {

openssl::X509Ptr FromPem(std::string const& pem) {
  openssl::BioPtr const memory{BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))};
  return openssl::X509Ptr{PEM_read_bio_X509(memory.get(), nullptr, nullptr, nullptr)};
}

openssl::SslContextPtr TrustingContext(Authority const& authority) {
  openssl::SslContextPtr context{SSL_CTX_new(TLS_client_method())};
  auto const certificate = FromPem(authority.CertificatePem());
  X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), certificate.get());
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  return context;
}

// A handshake in memory; what OpenSSL says of the server's certificate and of the whole.
std::pair<bool, long> Handshake(SSL_CTX& server, SSL_CTX& client, std::string const& sni, std::string const& checked) {
  openssl::SslPtr const serverSide{SSL_new(&server)};
  openssl::SslPtr const clientSide{SSL_new(&client)};
  BIO* left = nullptr;
  BIO* right = nullptr;
  BIO_new_bio_pair(&left, 0, &right, 0);
  SSL_set_bio(serverSide.get(), left, left);
  SSL_set_bio(clientSide.get(), right, right);
  SSL_set_tlsext_host_name(clientSide.get(), sni.c_str());
  SSL_set1_host(clientSide.get(), checked.c_str());
  SSL_set_accept_state(serverSide.get());
  SSL_set_connect_state(clientSide.get());
  bool isDone = false;
  for (int round = 0; round < 20 && !isDone; ++round) {
    int const one = SSL_do_handshake(clientSide.get());
    int const two = SSL_do_handshake(serverSide.get());
    isDone = one == 1 && two == 1;
  }
  return {isDone, SSL_get_verify_result(clientSide.get())};
}

TEST(GatewayAuthority, VouchesForAPermittedHost) {
  Authority authority{{"vault.azure.net"}};
  auto const trusting = TrustingContext(authority);
  auto const server = authority.ContextFor("contoso.vault.azure.net");
  auto const [isDone, verdict] = Handshake(*server, *trusting, "contoso.vault.azure.net", "contoso.vault.azure.net");
  EXPECT_TRUE(isDone);
  EXPECT_EQ(verdict, X509_V_OK);
  EXPECT_EQ(authority.ContextFor("contoso.vault.azure.net"), server);
}

TEST(AttackGatewayAuthority, MakesNoCertificateForAnotherHost) {
  Authority authority{{"vault.azure.net"}};
  EXPECT_THROW(authority.ContextFor("evil.example"), Error);
  EXPECT_THROW(authority.ContextFor("evilvault.azure.net"), Error);
  EXPECT_THROW(Authority{{}}, Error);
}

TEST(AttackGatewayAuthority, RefusesAnotherServerNameThanThatOfConnect) {
  Authority authority{{"vault.azure.net"}};
  auto const trusting = TrustingContext(authority);
  auto const server = authority.ContextFor("a.vault.azure.net");
  EXPECT_FALSE(Handshake(*server, *trusting, "b.vault.azure.net", "b.vault.azure.net").first);
}

// Whoever got hold of the authority's key could still not speak for any other host.
class AttackGatewayAuthorityConstraints : public testing::TestWithParam<std::tuple<char const*, char const*, bool>> {};

TEST_P(AttackGatewayAuthorityConstraints, BindWhoeverTrustsIt) {
  auto const& [permitted, name, isTaken] = GetParam();
  // An authority with the same extensions, whose key the test has.
  auto const key = MakeKey();
  auto const now = std::chrono::system_clock::now();
  auto const root =
      CertificateBuilder{{"root", now - std::chrono::hours{1}, now + std::chrono::hours{1}}, *key, nullptr}
          .Extension(NID_basic_constraints, "critical,CA:TRUE,pathlen:0")
          .Extension(NID_subject_key_identifier, "hash")
          .Extension(NID_name_constraints, NameConstraintsFor({permitted}))
          .Sign(*key);
  auto const leafKey = MakeKey();
  auto const leaf =
      CertificateBuilder{{"leaf", now - std::chrono::hours{1}, now + std::chrono::hours{1}}, *leafKey, root.get()}
          .Extension(NID_subject_alt_name, name)
          .Sign(*key);
  openssl::X509StorePtr const store{X509_STORE_new()};
  X509_STORE_add_cert(store.get(), root.get());
  std::unique_ptr<X509_STORE_CTX, openssl::Deleter<&X509_STORE_CTX_free>> const check{X509_STORE_CTX_new()};
  X509_STORE_CTX_init(check.get(), store.get(), leaf.get(), nullptr);
  EXPECT_EQ(X509_verify_cert(check.get()) == 1, isTaken) << name;
}

INSTANTIATE_TEST_SUITE_P(
    Names,
    AttackGatewayAuthorityConstraints,
    testing::Values(
        std::tuple{"vault.azure.net", "DNS:a.vault.azure.net", true},
        std::tuple{"vault.azure.net", "DNS:evilvault.azure.net", false},
        std::tuple{"vault.azure.net", "DNS:www.bank.example", false},
        std::tuple{"vault.azure.net", "IP:127.0.0.1", false},
        std::tuple{"vault.azure.net", "IP:0:0:0:0:0:0:0:1", false}));

}  // namespace
}  // namespace mtlspop::gateway
