#include "attestation_service.hpp"

#include <nlohmann/json.hpp>

#include "clock.hpp"
#include "digest.hpp"

namespace mtlspop_emulator {
namespace {

using nlohmann::json;

constexpr char const Audience[] = "imds";

Response Refuse(unsigned status, std::string_view code, std::string_view message) {
  return JsonResponse(status, {{"error", {{"code", code}, {"message", message}}}});
}

KeyPtr ParsePublicKey(std::string const& base64) {
  auto const der = Base64Decode(base64);
  if (!der) {
    return nullptr;
  }
  auto const* bytes = reinterpret_cast<unsigned char const*>(der->data());
  return KeyPtr(d2i_PUBKEY(nullptr, &bytes, static_cast<long>(der->size())));
}

}  // namespace

Response AttestationService::Handle(Exchange& exchange) {
  auto const& request = exchange.Incoming;
  if (request.Method == "GET" && request.Path == "/certs") {
    return JsonResponse(200, _world.AttestationKey.KeySet());
  }
  if (request.Method == "POST" && request.Path.compare(0, 8, "/attest/") == 0) {
    // What there is besides real attestation: the emulator takes a caller's word for it that its key is a TPM's.
    auto response = Attest(exchange, request.Path == "/attest/hardware" ? "hardware" : "keyguard");
    exchange.Error = response.Status == 200 ? "" : "InvalidParameter";
    return response;
  }
  exchange.Error = "NotFound";
  return Refuse(404, "NotFound", "GET /certs or POST /attest/keyguard, /attest/hardware");
}

Response AttestationService::Attest(Exchange& exchange, std::string_view strength) {
  auto const body = ParseJsonObject(exchange.Incoming.Body);
  auto const key = body ? ParsePublicKey(StringClaim(*body, "public_key")) : nullptr;
  if (!key || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA) {
    return Refuse(400, "InvalidParameter", "public_key must be the base64 of an RSA SubjectPublicKeyInfo in DER");
  }
  auto const now = Now();
  json const claims = {
      {"iss", _world.Urls.Attestation},
      {"aud", Audience},
      {"iat", now},
      {"nbf", now},
      {"exp", now + _world.Settings.AttestationLifetime.count()},
      {"jti", RandomGuid()},
      {"x-ms-attestation-type", strength},
      {"x-ms-runtime", {{"client-id", StringClaim(*body, "client_id")}, {"keys", {JsonWebKey(key.get())}}}}};
  auto const token = _world.AttestationKey.Sign(claims);
  _world.Secrets.Add("attestation_token", token);
  return JsonResponse(200, {{"token", token}});
}

std::string FlawOfAttestation(World const& world, std::string const& token, EVP_PKEY* publicKey) {
  auto const claims = world.AttestationKey.Verify(token);
  if (!claims) {
    return "attestation_token: is not a JWT signed by the attestation service";
  }
  if (StringClaim(*claims, "aud") != Audience || StringClaim(*claims, "iss") != world.Urls.Attestation) {
    return "attestation_token: issuer or audience is wrong";
  }
  if (auto const invalid = InvalidNow(*claims)) {
    return "attestation_token: " + *invalid;
  }
  if (claims->at("x-ms-runtime").at("keys").at(0) != JsonWebKey(publicKey)) {
    return "attestation_token: vouches for another key than the certificate request's";
  }
  if (world.Settings.Accept == KeyStrength::KeyGuard && StringClaim(*claims, "x-ms-attestation-type") != "keyguard") {
    return "attestation_token: vouches for a key that is not in KeyGuard";
  }
  return {};
}

}  // namespace mtlspop_emulator
