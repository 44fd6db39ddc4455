// What a key costs that cannot be stolen: signatures and full handshakes with keys in memory, in a token, in a TPM, in another
// process. The devices are software too (SoftHSM, swtpm), so that the figures are those of the ways to them.

#include <csignal>
#include <exception>
#include <functional>
#include <iostream>

#include <thread>

#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "bare_handshake.hpp"
#include "engine_key.hpp"
#include "mtlspop/pkcs11/pkcs11_key.hpp"
#include "mtlspop/tpm/tpm_key.hpp"
#include "mtlspop/transport/http_transport.hpp"
#include "mtlspop/transport/openssl.hpp"
#include "remote_signer/daemon_signer.hpp"
#include "software_token.hpp"
#include "software_tpm.hpp"
#include "support/report.hpp"
#include "support/rounds.hpp"
#include "support/scripted_server.hpp"
#include "support/test_certificate_authority.hpp"

namespace mtlspop::bench {
namespace {

using Key = std::shared_ptr<EVP_PKEY>;

struct NamedKey {
  std::string Name;
  Key Private;
};

/// The daemon is this program's child: it signs with a key in its own memory.
class Daemon final {
 public:
  explicit Daemon(std::string socket) : socket_(std::move(socket)) {
    int ready[2];
    if (::pipe(ready) != 0) throw std::runtime_error{"no pipe"};
    static int readyEnd = -1;
    readyEnd = ready[1];
    process_ = ::fork();
    if (process_ == 0) {
      ::close(ready[0]);
      auto const key = test::GenerateKey(test::KeyKind::Rsa2048);
      remote_signer::Serve(socket_, key.get(), [] { (void)!::write(readyEnd, "r", 1); });
      ::_exit(0);
    }
    char byte = 0;
    (void)!::read(ready[0], &byte, 1);
    ::close(ready[0]);
    ::close(ready[1]);
  }
  ~Daemon() { ::kill(process_, SIGKILL); }
  Daemon(Daemon const&) = delete;
  Daemon& operator=(Daemon const&) = delete;

  Key Open() const {
    std::shared_ptr<openssl::Signer const> signer = std::make_shared<remote_signer::DaemonSigner>(socket_, Context{});
    return openssl::MakeSignerKey(gsl::make_not_null(std::move(signer))).get();
  }

 private:
  std::string socket_;
  pid_t process_ = -1;
};

void SignOnce(EVP_PKEY* key) {
  static constexpr unsigned char data[] = "what is signed in a handshake is not much longer than this";
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> const digest{EVP_MD_CTX_new(), &EVP_MD_CTX_free};
  EVP_PKEY_CTX* options = nullptr;
  unsigned char signature[512];
  std::size_t length = sizeof signature;
  bool const good = EVP_DigestSignInit(digest.get(), &options, EVP_sha256(), nullptr, key) == 1 &&
                    EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 &&
                    EVP_PKEY_CTX_set_rsa_pss_saltlen(options, 32) == 1 &&
                    EVP_DigestSign(digest.get(), signature, &length, data, sizeof data) == 1;
  if (!good) throw std::runtime_error{"a key did not sign"};
}

void InThreads(int threads, int count, std::function<void()> const& work) {
  std::vector<std::thread> running;
  for (int index = 0; index < threads; ++index) {
    running.emplace_back([&] {
      for (int round = 0; round < count / threads; ++round) work();
    });
  }
  for (auto& thread : running) thread.join();
}

std::string Rate(double perSecond) { return std::to_string(static_cast<int>(perSecond)) + "/s"; }

void BenchSignatures(Report& report, std::vector<NamedKey> const& keys, BenchOptions const& options) {
  int const count = options.Quick ? 200 : 1000;
  for (int const threads : {1, 4}) {
    auto const name = "signatures, " + std::to_string(threads) + (threads == 1 ? " thread" : " threads");
    if (!options.Wants(name)) continue;
    std::vector<Contender> contenders;
    for (auto const& key : keys) {
      contenders.push_back(
          {key.Name, [&key, threads, count] { InThreads(threads, count, [&key] { SignOnce(key.Private.get()); }); }});
    }
    auto const times = TakeTurns(contenders, options.Quick ? 3 : 7);
    std::size_t token = keys.size();
    std::size_t engine = keys.size();
    for (std::size_t index = 0; index < keys.size(); ++index) {
      report.Add({name + ": " + keys[index].Name, count / Median(times[index]), "/s"});
      if (keys[index].Name == "pkcs11") token = index;
      if (keys[index].Name == "pkcs11 engine") engine = index;
    }
    if (engine == keys.size()) continue;
    Figure ratio{name + ": pkcs11 against its engine", MedianRatio(times[engine], times[token])};
    if (threads == 4) {
      ratio.Limit = 1.0;
      ratio.AtLeast = true;
    }
    ratio.Note = "the engine takes so many times as long";
    report.Add(std::move(ratio));
  }
}

/// A server that asks for the certificate, and closes after each answer.
std::unique_ptr<test::ScriptedServer> MakeServer(test::TestCertificateAuthority& authority) {
  test::ScriptedTls tls;
  tls.Certificate = authority.IssueForLoopback();
  tls.MaximumVersion = TLS1_2_VERSION;
  tls.Ask = test::AskInHandshake::Yes;
  test::ScriptedServerOptions options;
  options.Tls = std::move(tls);
  return std::make_unique<test::ScriptedServer>(std::move(options), [](test::ScriptedConnection& connection) {
    connection.ReadRequest();
    connection.Answer(200, "hello", "Connection: close\r\n");
  });
}

std::shared_ptr<X509> Certify(test::TestCertificateAuthority& authority, EVP_PKEY* key) {
  // Any certificate of the authority, with the key put in; the server takes all.
  auto const shape = authority.IssueForClient("bench", test::KeyKind::EcP256);
  std::shared_ptr<X509> certificate{X509_dup(shape.Certificate.get()), &X509_free};
  auto const signer = test::GenerateKey(test::KeyKind::EcP256);
  X509_set_pubkey(certificate.get(), key);
  X509_sign(certificate.get(), signer.get(), EVP_sha256());
  return certificate;
}

std::shared_ptr<BindingCertificate const> Bind(X509* certificate, EVP_PKEY* key) {
  BindingCertificate::Der der(static_cast<std::size_t>(i2d_X509(certificate, nullptr)));
  auto* out = der.data();
  i2d_X509(certificate, &out);
  return openssl::MakeBindingCertificate({der}, openssl::WrapPrivateKey(gsl::make_not_null(key)), KeyStrength::Hardware)
      .get();
}

void BenchHandshakes(Report& report, std::vector<NamedKey> const& keys, BenchOptions const& options) {
  int const count = options.Quick ? 50 : 200;
  test::TestCertificateAuthority authority;
  auto const server = MakeServer(authority);
  TransportOptions transportOptions;
  transportOptions.Tls.Trust.CaFile = authority.CertificatePath();
  transportOptions.Proxy.UseEnvironment = false;
  for (auto const& key : keys) {
    auto const name = "full handshakes: " + key.Name;
    if (!options.Wants(name)) continue;
    auto const certificate = Certify(authority, key.Private.get());
    auto const binding = Bind(certificate.get(), key.Private.get());
    BareHandshake const bare{key.Private.get(), certificate.get(), authority.CertificatePath(), server->Port()};
    auto const viaTransport = [&] {
      for (int round = 0; round < count; ++round) {
        // A transport of its own each time: no session to resume.
        auto const transport = MakeHttpTransport(transportOptions);
        Request request{"GET", Url::Parse(server->Url())};
        auto const response = transport->Send(request, binding, {});
        ReadToEnd(*response->Body, DefaultBufferedBodyBytes, {});
      }
    };
    auto const viaBare = [&] {
      for (int round = 0; round < count; ++round) bare.Run();
    };
    auto const times = TakeTurns({{"transport", viaTransport}, {"bare", viaBare}}, options.Quick ? 3 : 5);
    Figure rate{name, count / Median(times[0]), "/s"};
    rate.Note = "a bare loop " + Rate(count / Median(times[1])) + ", with a new transport each time";
    report.Add(std::move(rate));
  }
}

std::vector<NamedKey> OpenKeys(test::SoftwareTpm const& tpm, test::SoftwareToken const& token, Daemon const& daemon) {
  Pkcs11KeyProviderOptions inToken;
  inToken.Uri = token.Uri("bench");
  inToken.MakeKeys = true;
  MakePkcs11KeyProvider(inToken)->GetOrCreateKey({}, {});
  TpmKeyProviderOptions inTpm;
  inTpm.Tcti = tpm.Tcti();
  auto const sealed = MakeTpmKeyProvider(inTpm)->GetOrCreateKey({}, {})->Reference();
  std::vector<NamedKey> keys{
      {"software", test::GenerateKey(test::KeyKind::Rsa2048)},
      {"pkcs11", OpenPkcs11Key(inToken).get()},
      {"tpm", OpenTpmKey(inTpm, sealed).get()},
      {"remote signer", daemon.Open()}};
  auto const engine = OpenWithEngine(
      "pkcs11:token=" + token.Label() + ";object=bench;type=private", "/usr/lib/softhsm/libsofthsm2.so",
      std::string{test::SoftwareToken::Pin});
  if (engine) keys.push_back({"pkcs11 engine", engine});
  return keys;
}

}  // namespace
}  // namespace mtlspop::bench

int main(int argc, char** argv) {
  using namespace mtlspop;
  using namespace mtlspop::bench;
  try {
    auto const options = BenchOptions::Parse(argc, argv);
    test::TemporaryDirectory const folder;
    Daemon const daemon{folder.PathOf("signer")};
    test::SoftwareTpm const tpm;
    test::SoftwareToken const token{"bench"};
    auto const keys = OpenKeys(tpm, token, daemon);
    Report report{"keys"};
    BenchSignatures(report, keys, options);
    BenchHandshakes(report, keys, options);
    return report.Finish(options);
  } catch (std::exception const& error) {
    std::cerr << "mtlspop-bench-keys: " << DescribeWithCauses(error) << '\n';
    return 1;
  }
}
