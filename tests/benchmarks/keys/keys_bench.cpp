// What a key costs that cannot be stolen: signatures and full handshakes with keys in memory, in a token, in a TPM, in another
// process. The devices are software too (SoftHSM, swtpm), so that the figures are those of the ways to them.

#include <algorithm>
#include <csignal>
#include <ctime>
#include <exception>
#include <functional>
#include <iostream>
#include <map>
#include <optional>
#include <thread>

#include <sys/prctl.h>
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
    auto const parent = ::getpid();
    process_ = ::fork();
    if (process_ == 0) {
      // Ends with this program however that ends.
      if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::getppid() != parent) ::_exit(1);
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

constexpr unsigned char Signed[] = "what is signed in a handshake is not much longer than this";

/// Returns the bytes of the signature.
std::size_t Sign(EVP_PKEY* key, gsl::span<unsigned char> signature) {
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> const digest{EVP_MD_CTX_new(), &EVP_MD_CTX_free};
  EVP_PKEY_CTX* options = nullptr;
  std::size_t length = signature.size();
  bool const good = EVP_DigestSignInit(digest.get(), &options, EVP_sha256(), nullptr, key) == 1 &&
                    EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 &&
                    EVP_PKEY_CTX_set_rsa_pss_saltlen(options, 32) == 1 &&
                    EVP_DigestSign(digest.get(), signature.data(), &length, Signed, sizeof Signed) == 1;
  if (!good) throw std::runtime_error{"a key did not sign"};
  return length;
}

void SignOnce(EVP_PKEY* key) {
  unsigned char signature[512];
  Sign(key, signature);
}

/// As a key of `MakeSignerKey` does by itself: no signature that is not the key's leaves.
void SignAndCheckOnce(EVP_PKEY* key, EVP_PKEY* publicKey) {
  unsigned char signature[512];
  auto const length = Sign(key, signature);
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> const digest{EVP_MD_CTX_new(), &EVP_MD_CTX_free};
  EVP_PKEY_CTX* options = nullptr;
  bool const good = EVP_DigestVerifyInit(digest.get(), &options, EVP_sha256(), nullptr, publicKey) == 1 &&
                    EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 &&
                    EVP_PKEY_CTX_set_rsa_pss_saltlen(options, 32) == 1 &&
                    EVP_DigestVerify(digest.get(), signature, length, Signed, sizeof Signed) == 1;
  if (!good) throw std::runtime_error{"a signature is not the key's"};
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

/// The public half alone, for OpenSSL's own code.
Key PublicHalf(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  int const length = i2d_PUBKEY(key, &der);
  unsigned char const* position = der;
  Key half{d2i_PUBKEY(nullptr, &position, length), &EVP_PKEY_free};
  OPENSSL_free(der);
  if (!half) throw std::runtime_error{"a key has no public half"};
  return half;
}

constexpr char const* EngineName = "pkcs11 engine";
constexpr char const* CheckedEngineName = "pkcs11 engine, each checked";

std::vector<std::pair<std::string, std::function<void()>>> WaysToSign(std::vector<NamedKey> const& keys) {
  std::vector<std::pair<std::string, std::function<void()>>> ways;
  for (auto const& key : keys) {
    ways.emplace_back(key.Name, [key = key.Private] { SignOnce(key.get()); });
    if (key.Name == EngineName) {
      ways.emplace_back(CheckedEngineName, [key = key.Private, half = PublicHalf(key.Private.get())] {
        SignAndCheckOnce(key.get(), half.get());
      });
    }
  }
  return ways;
}

/// What this process's threads have used of the processors.
double ProcessorSeconds() {
  std::timespec used{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
}

/// Seconds of each round, by the name of the key.
struct SigningTimes {
  std::map<std::string, std::vector<double>> Wall;
  std::map<std::string, std::vector<double>> Processor;
};

SigningTimes TimeSigning(
    std::vector<std::pair<std::string, std::function<void()>>> const& ways, int threads, int count, int rounds) {
  SigningTimes times;
  std::vector<Contender> contenders;
  for (auto const& [key, sign] : ways) {
    contenders.push_back({key, [&times, &key = key, &sign = sign, threads, count] {
                            auto const begin = ProcessorSeconds();
                            InThreads(threads, count, sign);
                            times.Processor[key].push_back(ProcessorSeconds() - begin);
                          }});
  }
  auto const wall = TakeTurns(contenders, rounds);
  for (std::size_t index = 0; index < contenders.size(); ++index) {
    times.Wall[contenders[index].Name] = wall[index];
    auto& processor = times.Processor[contenders[index].Name];
    processor.erase(processor.begin());  // that of the round to warm up
  }
  return times;
}

/// How many times as long the other one takes, where both were measured.
void CompareTokenWith(
    Report& report,
    std::string const& name,
    std::string const& other,
    std::map<std::string, std::vector<double>> const& times,
    std::optional<double> limit,
    std::string note) {
  if (times.count("pkcs11") == 0 || times.count(other) == 0) return;
  Figure ratio{name + ": pkcs11 against " + other, MedianRatio(times.at(other), times.at("pkcs11"))};
  ratio.Limit = limit;
  ratio.AtLeast = true;
  ratio.Note = std::move(note);
  report.Add(std::move(ratio));
}

void BenchSignatures(Report& report, std::vector<NamedKey> const& keys, BenchOptions const& options) {
  int const count = options.Quick ? 200 : 1000;
  for (int const threads : {1, 4}) {
    auto const name = "signatures, " + std::to_string(threads) + (threads == 1 ? " thread" : " threads");
    auto ways = WaysToSign(keys);
    ways.erase(
        std::remove_if(
            ways.begin(), ways.end(), [&](auto const& way) { return !options.Wants(name + ": " + way.first); }),
        ways.end());
    if (ways.empty()) continue;
    auto const times = TimeSigning(ways, threads, count, options.Quick ? 3 : 7);
    for (auto const& way : ways) {
      report.Add({name + ": " + way.first, count / Median(times.Wall.at(way.first)), "/s"});
    }
    CompareTokenWith(
        report, name + ", processor", CheckedEngineName, times.Processor,
        threads == 4 ? std::make_optional(1.0) : std::nullopt, "like with like: no wrong signature leaves either");
    CompareTokenWith(
        report, name + ", time", CheckedEngineName, times.Wall, std::nullopt,
        "with the waits for locks and for the processor");
    CompareTokenWith(
        report, name + ", processor", EngineName, times.Processor,
        threads == 4 ? std::make_optional(0.93) : std::nullopt, "the engine gives out what comes, unchecked");
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
  if (engine) keys.push_back({EngineName, engine});
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
