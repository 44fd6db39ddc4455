#include "emulator_attestation.hpp"

#include <vector>

#include <nlohmann/json.hpp>

#include <openssl/evp.h>

namespace mtlspop::test {
namespace {

using nlohmann::json;

std::string ToBase64(std::vector<std::uint8_t> const& data) {
  std::string text(4 * ((data.size() + 2) / 3) + 1, '\0');
  int const length =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), data.data(), static_cast<int>(data.size()));
  text.resize(static_cast<std::size_t>(length));
  return text;
}

}  // namespace

Secret EmulatorAttestationProvider::Attest(AttestationRequest const& request, Context const& context) {
  ++calls_;
  return AttestAs("keyguard", *transport_, request, context);
}

Secret AttestAs(
    std::string const& strength, HttpTransport& transport, AttestationRequest const& request, Context const& context) {
  Request message{"POST", Url::Parse(request.Endpoint + "/attest/" + strength)};
  message.SetBody(
      json{{"public_key", ToBase64(request.Key->SubjectPublicKeyInfo())}, {"client_id", request.ClientId}}.dump());
  auto const response = transport.Send(message, nullptr, context);
  auto const answer = json::parse(ReadToEnd(*response->Body, DefaultBufferedBodyBytes, context));
  return Secret{answer.value("token", std::string{})};
}

}  // namespace mtlspop::test
