// The whole road once: the emulator, an application that reads a secret with a bound token, and a thief who has the
// token.

#include <algorithm>
#include <exception>
#include <iostream>
#include <memory>
#include <random>
#include <string>

#include "child_process.hpp"
#include "emulator.hpp"
#include "failure.hpp"
#include "mtlspop/credential/managed_identity_credential.hpp"
#include "narrator.hpp"
#include "thief.hpp"

namespace demo {
namespace {

constexpr char const* SecretName = "boundsecret";

std::string RandomText() {
  std::random_device source;
  std::uniform_int_distribution<int> letter{'a', 'z'};
  std::string text(16, ' ');
  std::generate(text.begin(), text.end(), [&] { return static_cast<char>(letter(source)); });
  return text;
}

// Runs the sample and returns the value it read.
std::string RunApplication(Emulator const& emulator, Narrator& narrator) {
  Command command{{MTLSPOP_SAMPLE_PROGRAM, emulator.VaultUrl(), SecretName}, emulator.Environment()};
  command.Environment.emplace_back("MTLSPOP_LOG", "info");
  ChildProcess application{command};
  std::string value;
  application.ReadLines(
      [&](Stream stream, std::string_view line) {
        constexpr std::string_view prefix = "secret: ";
        if (stream == Stream::Error) {
          narrator.ApplicationLine(line);
        } else if (line.substr(0, prefix.size()) == prefix) {
          value = line.substr(prefix.size());
          narrator.Step("the application has the secret");
        }
        return true;
      },
      ChildProcess::Clock::now() + std::chrono::minutes{1});
  int const code = application.Wait();
  if (code != 0) {
    throw Failure{
        "the application ended with code " + std::to_string(code),
        "Its own words are above; they say what failed and what to do"};
  }
  return value;
}

// The request that brought the secret, as the emulator saw it.
SeenRequest FindVaultRequest(Emulator& emulator) {
  auto const log = emulator.Log();
  auto const found = std::find_if(
      log.rbegin(), log.rend(), [](SeenRequest const& seen) { return seen.Service == "vault" && seen.Status == 200; });
  if (found == log.rend()) {
    throw Failure{
        "the application has a secret, but the vault did not answer any request with 200",
        "The application must have read another vault: check its connect overrides"};
  }
  return *found;
}

void CheckBinding(SeenRequest const& seen) {
  if (seen.TokenType != "mtls_pop") {
    throw Failure{
        "the application was served with a token of type \"" + seen.TokenType + "\" and not mtls_pop",
        "Look at why the credential did not ask for a bound token, or the handler did not send it as one"};
  }
  if (seen.X5tS256.empty() || seen.X5tS256 != seen.TokenX5tS256) {
    throw Failure{
        "the certificate of the connection (" + seen.X5tS256 + ") is not the one in the token (" + seen.TokenX5tS256 +
            ")",
        "Look at how the transport picks a connection for a binding"};
  }
}

std::string Steal(Emulator& emulator) {
  auto const tokens = emulator.TokensGiven();
  if (tokens.empty()) {
    throw Failure{"the emulator has no record of a token", "Start it with --record-secrets"};
  }
  return tokens.back();
}

std::shared_ptr<mtlspop::BindingCertificate const> GetOtherCertificate(
    Emulator const& emulator, std::shared_ptr<mtlspop::HttpTransport> transport) {
  mtlspop::ManagedIdentityCredentialOptions options;
  options.Identity = mtlspop::ManagedIdentityId::FromClientId(emulator.OtherIdentity());
  options.ImdsEndpoint = emulator.ImdsEndpoint();
  options.Transport = std::move(transport);
  mtlspop::ManagedIdentityCredential credential{options};
  mtlspop::TokenRequest request;
  request.Scopes = {"https://vault.azure.net/.default"};
  return credential.GetToken(request, mtlspop::Context{}.WithTimeout(std::chrono::seconds{30})).Binding;
}

void ExpectRefusal(Answer const& answer, std::string const& how, std::string const& code) {
  if (answer.Status != 401 || (!code.empty() && answer.Code != code)) {
    throw Failure{
        "the stolen token " + how + " was answered " + std::to_string(answer.Status) + " " + answer.Code +
            " and not 401 " + code,
        "The vault does not enforce the binding: look at the emulator's log, GET /emulator/log"};
  }
}

// Where somebody watches the page, goes on when they say so.
void Await(bool watched, std::string const& words) {
  if (watched) {
    std::cout << "\n" << words << " (Enter)" << std::endl;
    std::string line;
    std::getline(std::cin, line);
  }
}

void Run(bool watched) {
  Narrator narrator;
  auto const secret = RandomText();
  narrator.Begin("The stage: an emulator of IMDS, the token service and Key Vault");
  Emulator emulator{MTLSPOP_EMULATOR_PROGRAM, SecretName, secret};
  narrator.Step("emulator up; a random secret is in " + emulator.VaultUrl());

  Await(watched, "open " + emulator.PageUrl() + " in a browser; the application starts next");

  narrator.Begin("The application: samples/keyvault_secret, a cpprestsdk client with one handler added");
  auto const value = RunApplication(emulator, narrator);
  if (value != secret) {
    throw Failure{
        "the application read \"" + value + "\" and not what is in the vault", "Look at how the body is read"};
  }
  auto const seen = FindVaultRequest(emulator);
  CheckBinding(seen);

  narrator.Begin("The thief: has the application's token, but not its key");
  auto const token = Steal(emulator);
  auto const transport = mtlspop::MakeHttpTransport(emulator.TransportOptions());
  Thief const thief{transport, emulator.VaultUrl() + "/secrets/" + SecretName + "?api-version=7.4", token};
  auto const bare = thief.Try(nullptr);
  narrator.Step("sent the token without a certificate, as if it were a bearer token");
  ExpectRefusal(bare, "without a certificate", "MissingClientCertificate");
  auto const other = GetOtherCertificate(emulator, transport);
  narrator.Step("got a certificate of another identity, " + other->X5tS256());
  auto const disguised = thief.Try(other);
  narrator.Step("sent the token with that certificate");
  ExpectRefusal(disguised, "with another identity's certificate", "");

  std::cout << "\ntoken_type: " << seen.TokenType << "\nbinding: x5t#S256 matches cnf\nsecret: " << value
            << "\nreplay_without_certificate: " << bare.Status << ' ' << bare.Code
            << "\nreplay_with_other_certificate: " << disguised.Status << std::endl;
  Await(watched, "the emulator ends next");
}

}  // namespace
}  // namespace demo

int main(int argc, char** argv) {
  bool const watched = argc == 2 && std::string{argv[1]} == "--watch";
  if (argc > 1 && !watched) {
    std::cerr << "usage: mtlspop-demo [--watch]\n";
    return 2;
  }
  try {
    demo::Run(watched);
    return 0;
  } catch (mtlspop::Error const& error) {
    std::cerr << "demo failed: " << mtlspop::DescribeWithCauses(error) << '\n';
  } catch (demo::Failure const& error) {
    std::cerr << "demo failed: " << error.what() << '\n';
  } catch (std::exception const& error) {
    std::cerr
        << "demo failed: " << error.what()
        << ". Run ./dev demo again; where it happens each time, run ./dev test -R demo, which shows what each program "
           "wrote, and check the machine's free memory, disk and processes.\n";
  }
  return 1;
}
