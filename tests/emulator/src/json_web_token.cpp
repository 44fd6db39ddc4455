#include "json_web_token.hpp"

#include <openssl/core_names.h>

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "certificate_request.hpp"
#include "clock.hpp"
#include "digest.hpp"
#include "encoding.hpp"
#include "http_message.hpp"

namespace mtlspop_emulator {
namespace {

using nlohmann::json;

std::string NumberParameter(EVP_PKEY* key, char const* name) {
  BIGNUM* raw = nullptr;
  EVP_PKEY_get_bn_param(key, name, &raw);
  BigNumberPtr const number(raw);
  std::string bytes(static_cast<std::size_t>(BN_num_bytes(number.get())), '\0');
  BN_bn2bin(number.get(), reinterpret_cast<unsigned char*>(bytes.data()));
  return Base64UrlEncode(bytes);
}

std::string SignBytes(EVP_PKEY* key, std::string_view text) {
  DigestContextPtr const context(EVP_MD_CTX_new());
  std::string signature(static_cast<std::size_t>(EVP_PKEY_get_size(key)), '\0');
  std::size_t size = signature.size();
  bool const done = EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key) == 1 &&
                    EVP_DigestSign(
                        context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                        reinterpret_cast<unsigned char const*>(text.data()), text.size()) == 1;
  if (!done) {
    throw std::runtime_error("cannot sign a token");
  }
  signature.resize(size);
  return signature;
}

bool VerifyBytes(EVP_PKEY* key, std::string_view text, std::string_view signature) {
  DigestContextPtr const context(EVP_MD_CTX_new());
  return EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key) == 1 &&
         EVP_DigestVerify(
             context.get(), reinterpret_cast<unsigned char const*>(signature.data()), signature.size(),
             reinterpret_cast<unsigned char const*>(text.data()), text.size()) == 1;
}

}  // namespace

TokenKey::TokenKey(std::launch policy) : _made(std::async(policy, Make)) {}

TokenKey::Made TokenKey::Make() {
  KeyPtr key(EVP_RSA_gen(2048));
  if (!key) {
    throw std::runtime_error("cannot make an RSA key");
  }
  auto id = Base64UrlEncode(Sha256(PublicKeyDer(key.get())).substr(0, 20));
  return {std::move(key), std::move(id)};
}

std::string TokenKey::Sign(json const& claims) const {
  json const header = {{"typ", "JWT"}, {"alg", "RS256"}, {"kid", _made.get().Id}, {"x5t", _made.get().Id}};
  std::string token = Base64UrlEncode(JsonText(header)) + "." + Base64UrlEncode(JsonText(claims));
  token += "." + Base64UrlEncode(SignBytes(_made.get().Key.get(), token));
  return token;
}

std::optional<json> TokenKey::Verify(std::string_view token) const {
  auto const first = token.find('.');
  auto const last = token.rfind('.');
  if (first == std::string_view::npos || first == last) {
    return std::nullopt;
  }
  auto const headerText = Base64UrlDecode(token.substr(0, first));
  auto const claimsText = Base64UrlDecode(token.substr(first + 1, last - first - 1));
  auto const signature = Base64UrlDecode(token.substr(last + 1));
  if (!headerText || !claimsText || !signature) {
    return std::nullopt;
  }
  auto const header = ParseJsonObject(*headerText);
  if (!header || StringClaim(*header, "alg") != "RS256" || StringClaim(*header, "kid") != _made.get().Id ||
      !VerifyBytes(_made.get().Key.get(), token.substr(0, last), *signature)) {
    return std::nullopt;
  }
  return ParseJsonObject(*claimsText);
}

json TokenKey::KeySet() const {
  auto key = JsonWebKey(_made.get().Key.get());
  key["kid"] = _made.get().Id;
  key["use"] = "sig";
  key["alg"] = "RS256";
  return {{"keys", json::array({key})}};
}

json JsonWebKey(EVP_PKEY* key) {
  return {
      {"kty", "RSA"},
      {"n", NumberParameter(key, OSSL_PKEY_PARAM_RSA_N)},
      {"e", NumberParameter(key, OSSL_PKEY_PARAM_RSA_E)}};
}

std::optional<std::string> InvalidNow(json const& claims) {
  auto const now = Now();
  auto const notBefore = claims.find("nbf");
  auto const expires = claims.find("exp");
  if (expires == claims.end() || !expires->is_number_integer()) {
    return "the token has no exp";
  }
  if (expires->get<std::time_t>() <= now) {
    return "the token has expired";
  }
  if (notBefore != claims.end() && notBefore->is_number_integer() && notBefore->get<std::time_t>() > now) {
    return "the token is not valid yet";
  }
  return std::nullopt;
}

std::string StringClaim(json const& claims, char const* name) {
  auto const found = claims.find(name);
  return found != claims.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::string BoundX5tS256(json const& claims) {
  auto const found = claims.find("cnf");
  return found != claims.end() && found->is_object() ? StringClaim(*found, "x5t#S256") : std::string();
}

}  // namespace mtlspop_emulator
