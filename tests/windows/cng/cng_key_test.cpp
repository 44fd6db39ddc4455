// CNG keys under OpenSSL: handshakes in memory, and the emulator in its default mode over a Winsock socket. Under Wine a key
// that has signed with PSS signs no PKCS#1 any more, so that each test takes one of its own.

#include <atomic>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <windows.h>
#include <winsock2.h>

#include <ncrypt.h>

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cng_signer.hpp"
#include "emulator.hpp"
#include "mtlspop/cng/cng_key.hpp"
#include "mtlspop/transport/error.hpp"

namespace mtlspop::openssl {
namespace {

using Key = std::shared_ptr<EVP_PKEY>;
using Bytes = std::vector<std::uint8_t>;
using ContextPtr = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;
using SslPtr = std::unique_ptr<SSL, decltype(&SSL_free)>;

NCRYPT_KEY_HANDLE NewHandle() {
  NCRYPT_PROV_HANDLE provider = 0;
  NCRYPT_KEY_HANDLE key = 0;
  DWORD bits = 2048;
  bool const made =
      NCryptOpenStorageProvider(&provider, MS_KEY_STORAGE_PROVIDER, 0) == ERROR_SUCCESS &&
      NCryptCreatePersistedKey(provider, &key, BCRYPT_RSA_ALGORITHM, nullptr, 0, 0) == ERROR_SUCCESS &&
      NCryptSetProperty(key, NCRYPT_LENGTH_PROPERTY, reinterpret_cast<BYTE*>(&bits), sizeof bits, 0) == ERROR_SUCCESS &&
      NCryptFinalizeKey(key, 0) == ERROR_SUCCESS;
  NCryptFreeObject(provider);
  if (!made) throw std::runtime_error{"no CNG key"};
  return key;
}

Key NewKey(SignatureAlgorithm algorithm) {
  CngKeyOptions options;
  options.RsaAlgorithms = {algorithm};
  return MakeCngKey(NewHandle(), options).get();
}

/// Of the server, and of whoever issues certificates: what is tried is the client's.
EVP_PKEY* OthersKey() {
  static Key const key{EVP_RSA_gen(2048), &EVP_PKEY_free};
  return key.get();
}

std::shared_ptr<X509> Certify(EVP_PKEY* key) {
  std::shared_ptr<X509> certificate{X509_new(), &X509_free};
  X509_set_version(certificate.get(), X509_VERSION_3);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 86400);
  X509_set_pubkey(certificate.get(), key);
  X509_sign(certificate.get(), OthersKey(), EVP_sha256());
  return certificate;
}

int AcceptAny(int, X509_STORE_CTX*) { return 1; }

ContextPtr ServerContext(int version, bool asks) {
  ContextPtr context{SSL_CTX_new(TLS_server_method()), &SSL_CTX_free};
  SSL_CTX_set_min_proto_version(context.get(), version);
  SSL_CTX_set_max_proto_version(context.get(), version);
  SSL_CTX_use_certificate(context.get(), Certify(OthersKey()).get());
  SSL_CTX_use_PrivateKey(context.get(), OthersKey());
  // A renegotiation is to ask, and not to resume.
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_TICKET | SSL_OP_NO_SESSION_RESUMPTION_ON_RENEGOTIATION);
  if (asks) SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, &AcceptAny);
  return context;
}

ContextPtr ClientContext(EVP_PKEY* key) {
  ContextPtr context{SSL_CTX_new(TLS_client_method()), &SSL_CTX_free};
  SSL_CTX_use_certificate(context.get(), Certify(key).get());
  EXPECT_EQ(SSL_CTX_use_PrivateKey(context.get(), key), 1);
  EXPECT_EQ(SSL_CTX_set1_client_sigalgs_list(context.get(), ClientSignatureAlgorithms(key).c_str()), 1);
  return context;
}

/// Both ends of a connection in memory.
struct Pair {
  Pair(SSL_CTX* clientContext, SSL_CTX* serverContext)
      : Client(SSL_new(clientContext), &SSL_free), Server(SSL_new(serverContext), &SSL_free) {
    BIO* one = nullptr;
    BIO* other = nullptr;
    BIO_new_bio_pair(&one, 1 << 16, &other, 1 << 16);
    SSL_set_bio(Client.get(), one, one);
    SSL_set_bio(Server.get(), other, other);
    SSL_set_connect_state(Client.get());
    SSL_set_accept_state(Server.get());
  }
  bool ShakeHands() const {
    for (int round = 0; round < 20; ++round) {
      bool const client = SSL_do_handshake(Client.get()) == 1;
      bool const server = SSL_do_handshake(Server.get()) == 1;
      if (client && server) return true;
    }
    return false;
  }
  /// Lets both sides read what there is.
  void Pump() const {
    char byte = 0;
    for (int round = 0; round < 20; ++round) {
      SSL_read(Client.get(), &byte, 1);
      SSL_do_handshake(Server.get());
      SSL_read(Server.get(), &byte, 1);
    }
  }
  bool ServerSaw(EVP_PKEY* key) const {
    std::unique_ptr<X509, decltype(&X509_free)> const seen{SSL_get1_peer_certificate(Server.get()), &X509_free};
    return seen && EVP_PKEY_eq(X509_get0_pubkey(seen.get()), key) == 1;
  }

  SslPtr Client;
  SslPtr Server;
};

bool Authenticates(EVP_PKEY* key, int version) {
  auto const server = ServerContext(version, true);
  auto const client = ClientContext(key);
  Pair const pair{client.get(), server.get()};
  bool const done = pair.ShakeHands() && pair.ServerSaw(key);
  ERR_clear_error();
  return done;
}

TEST(CngKeyTest, AuthenticatesWithPkcs1AndWithPss) {
  EXPECT_TRUE(Authenticates(NewKey(SignatureAlgorithm::RsaPkcs1).get(), TLS1_2_VERSION));
  auto const key = NewKey(SignatureAlgorithm::RsaPss);
  EXPECT_TRUE(Authenticates(key.get(), TLS1_2_VERSION));
  EXPECT_TRUE(Authenticates(key.get(), TLS1_3_VERSION));
  EXPECT_FALSE(Authenticates(NewKey(SignatureAlgorithm::RsaPkcs1).get(), TLS1_3_VERSION)) << "TLS 1.3 wants PSS";
}

/// What SChannel cannot answer under Wine.
TEST(CngKeyTest, AnswersARenegotiationThatAsksForTheCertificate) {
  auto const key = NewKey(SignatureAlgorithm::RsaPss);
  auto const server = ServerContext(TLS1_2_VERSION, false);
  auto const client = ClientContext(key.get());
  Pair const pair{client.get(), server.get()};
  ASSERT_TRUE(pair.ShakeHands());
  EXPECT_FALSE(pair.ServerSaw(key.get()));
  SSL_set_verify(pair.Server.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, &AcceptAny);
  ASSERT_EQ(SSL_renegotiate(pair.Server.get()), 1);
  SSL_do_handshake(pair.Server.get());
  pair.Pump();
  EXPECT_TRUE(pair.ServerSaw(key.get()));
  ERR_clear_error();
}

TEST(CngKeyTest, SignsFromManyThreads) {
  auto const key = NewKey(SignatureAlgorithm::RsaPss);
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (int index = 0; index < 8; ++index) {
    threads.emplace_back([&] {
      for (int round = 0; round < 4; ++round) good += Authenticates(key.get(), TLS1_3_VERSION) ? 1 : 0;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good, 32);
}

int freed = 0;
Key playedKey;

SECURITY_STATUS WINAPI FreePlayed(NCRYPT_HANDLE) {
  ++freed;
  return ERROR_SUCCESS;
}

/// Wine makes no EC keys: one of OpenSSL's plays it.
SECURITY_STATUS WINAPI ExportPlayed(
    NCRYPT_KEY_HANDLE,
    NCRYPT_KEY_HANDLE,
    wchar_t const* format,
    NCryptBufferDesc*,
    BYTE* out,
    DWORD room,
    DWORD* length,
    DWORD) {
  if (std::wstring{format} != BCRYPT_ECCPUBLIC_BLOB) return NTE_NOT_SUPPORTED;
  BCRYPT_ECCKEY_BLOB const head{BCRYPT_ECDSA_PUBLIC_P256_MAGIC, 32};
  unsigned char point[65];
  std::size_t pointLength = 0;
  EVP_PKEY_get_octet_string_param(playedKey.get(), "pub", point, sizeof point, &pointLength);
  *length = sizeof head + 64;
  if (out == nullptr) return ERROR_SUCCESS;
  if (room < *length) return NTE_BUFFER_TOO_SMALL;
  std::memcpy(out, &head, sizeof head);
  std::memcpy(out + sizeof head, point + 1, 64);
  return ERROR_SUCCESS;
}

SECURITY_STATUS WINAPI
SignPlayed(NCRYPT_KEY_HANDLE, void*, BYTE* digest, DWORD digestLength, BYTE* out, DWORD, DWORD* length, DWORD) {
  std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> const context{
      EVP_PKEY_CTX_new(playedKey.get(), nullptr), &EVP_PKEY_CTX_free};
  Bytes der(128);
  auto size = der.size();
  if (EVP_PKEY_sign_init(context.get()) != 1 ||
      EVP_PKEY_sign(context.get(), der.data(), &size, digest, digestLength) != 1) {
    return NTE_FAIL;
  }
  auto const* position = der.data();
  std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> const parts{
      d2i_ECDSA_SIG(nullptr, &position, static_cast<long>(size)), &ECDSA_SIG_free};
  BN_bn2binpad(ECDSA_SIG_get0_r(parts.get()), out, 32);
  BN_bn2binpad(ECDSA_SIG_get0_s(parts.get()), out + 32, 32);
  *length = 64;
  return ERROR_SUCCESS;
}

SECURITY_STATUS WINAPI RefuseToSign(NCRYPT_KEY_HANDLE, void*, BYTE*, DWORD, BYTE*, DWORD, DWORD*, DWORD) {
  return NTE_BAD_KEYSET;
}

TEST(CngKeyTest, SignsWithEcKeys) {
  playedKey = Key{EVP_EC_gen("P-256"), &EVP_PKEY_free};
  freed = 0;
  CngFunctions const functions{&ExportPlayed, &SignPlayed, &FreePlayed};
  {
    std::shared_ptr<Signer const> signer = std::make_shared<CngSigner>(1, CngKeyOptions{}, functions);
    auto const key = MakeSignerKey(gsl::make_not_null(std::move(signer)));
    EXPECT_TRUE(Authenticates(key.get().get(), TLS1_2_VERSION));
    EXPECT_TRUE(Authenticates(key.get().get(), TLS1_3_VERSION));
  }
  EXPECT_EQ(freed, 1);
}

TEST(CngKeyTest, SaysWhatWindowsSays) {
  playedKey = Key{EVP_EC_gen("P-256"), &EVP_PKEY_free};
  CngFunctions const functions{&ExportPlayed, &RefuseToSign, &FreePlayed};
  std::shared_ptr<Signer const> signer = std::make_shared<CngSigner>(1, CngKeyOptions{}, functions);
  try {
    MakeSignerKey(gsl::make_not_null(std::move(signer)));
    FAIL();
  } catch (Error const& error) {
    EXPECT_EQ(error.Code(), errors::PrivateKeyUnusable);
    EXPECT_THAT(DescribeWithCauses(error), testing::HasSubstr("0x80090016"));
  }
}

/// As any OpenSSL program on Windows would ask the token service, and Key Vault, which asks for the certificate by
/// renegotiation.
class WinsockConnection final {
 public:
  WinsockConnection(std::string const& url, SSL_CTX* context, char const* host) : ssl_(SSL_new(context), &SSL_free) {
    WSADATA data{};
    WSAStartup(MAKEWORD(2, 2), &data);
    socket_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1))));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    SSL_set_fd(ssl_.get(), static_cast<int>(socket_));
    SSL_set_tlsext_host_name(ssl_.get(), host);
    if (::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        SSL_connect(ssl_.get()) != 1) {
      throw std::runtime_error{"no connection to the emulator"};
    }
  }
  ~WinsockConnection() {
    ssl_.reset();
    ::closesocket(socket_);
    WSACleanup();
  }
  WinsockConnection(WinsockConnection const&) = delete;
  WinsockConnection& operator=(WinsockConnection const&) = delete;

  std::string Ask(std::string const& request) const {
    SSL_write(ssl_.get(), request.data(), static_cast<int>(request.size()));
    std::string answer;
    char buffer[4096];
    for (int count = 1; count > 0;) {
      count = SSL_read(ssl_.get(), buffer, sizeof buffer);
      if (count > 0) answer.append(buffer, static_cast<std::size_t>(count));
    }
    ERR_clear_error();
    return answer;
  }

 private:
  SslPtr ssl_;
  SOCKET socket_ = INVALID_SOCKET;
};

std::string PemOf(X509* certificate) {
  std::unique_ptr<BIO, decltype(&BIO_free)> const out{BIO_new(BIO_s_mem()), &BIO_free};
  PEM_write_bio_X509(out.get(), certificate);
  char* text = nullptr;
  auto const length = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(length)};
}

/// The emulator in its default mode, and an app whose certificate's key is in CNG.
class CngKeyRoadTest : public testing::Test {
 protected:
  CngKeyRoadTest() {
    SSL_CTX_set_max_proto_version(context_.get(), TLS1_2_VERSION);
    emulator_.Register(
        {{"client_id", ClientId},
         {"tenant_id", tenant_},
         {"certificate_pem", PemOf(SSL_CTX_get0_certificate(context_.get()))},
         {"vault_access", true}});
  }

  std::string GetToken() const {
    std::string const form = "grant_type=client_credentials&client_id=" + std::string{ClientId} +
                             "&scope=https%3A%2F%2Fvault.azure.net%2F.default&token_type=mtls_pop";
    WinsockConnection const connection{emulator_.Endpoint("sts"), context_.get(), "mtlsauth.microsoft.com"};
    auto const answer = connection.Ask(
        "POST /" + tenant_ +
        "/oauth2/v2.0/token HTTP/1.1\r\nHost: mtlsauth.microsoft.com\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\nConnection: close\r\nContent-Length: " +
        std::to_string(form.size()) + "\r\n\r\n" + form);
    auto const begin = answer.find('{');
    auto const end = answer.rfind('}');
    if (begin == std::string::npos || end == std::string::npos) throw std::runtime_error{"no token: " + answer};
    return nlohmann::json::parse(answer.substr(begin, end + 1 - begin)).at("access_token").get<std::string>();
  }

  std::string ReadSecret(std::string const& token, SSL_CTX* context) const {
    WinsockConnection const connection{emulator_.Endpoint("vault"), context, "contoso.vault.azure.net"};
    return connection.Ask(
        "GET /secrets/boundsecret?api-version=7.4 HTTP/1.1\r\nHost: contoso.vault.azure.net\r\nAuthorization: "
        "mtls_pop " +
        token + "\r\nx-ms-tokenboundauth: true\r\nConnection: close\r\n\r\n");
  }

  static constexpr char const* ClientId = "6a1c1f3e-55f1-4a6c-9a53-2f1d3c8e7b11";
  windows_tests::Emulator emulator_{"MTLSPOP_RENEGOTIATING_EMULATOR"};
  std::string const tenant_ = emulator_.Startup().at("identities").at(0).at("tenant_id").get<std::string>();
  Key const key_ = NewKey(SignatureAlgorithm::RsaPss);
  ContextPtr const context_ = ClientContext(key_.get());
};

TEST_F(CngKeyRoadTest, ABoundTokenReadsASecretAndIsOfNoUseToAThief) {
  auto const token = GetToken();
  EXPECT_THAT(
      ReadSecret(token, context_.get()),
      testing::AllOf(testing::StartsWith("HTTP/1.1 200 "), testing::HasSubstr("\"value\"")));
  ContextPtr const without{SSL_CTX_new(TLS_client_method()), &SSL_CTX_free};
  SSL_CTX_set_max_proto_version(without.get(), TLS1_2_VERSION);
  EXPECT_THAT(ReadSecret(token, without.get()), testing::HasSubstr("MissingClientCertificate"));
  auto const another = NewKey(SignatureAlgorithm::RsaPss);
  auto const thief = ClientContext(another.get());
  SSL_CTX_set_max_proto_version(thief.get(), TLS1_2_VERSION);
  EXPECT_THAT(ReadSecret(token, thief.get()), testing::StartsWith("HTTP/1.1 401 "));
}

}  // namespace
}  // namespace mtlspop::openssl
