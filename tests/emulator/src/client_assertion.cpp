#include "client_assertion.hpp"

#include <openssl/rsa.h>

#include <nlohmann/json.hpp>

#include "client_certificate.hpp"
#include "encoding.hpp"
#include "http_message.hpp"
#include "json_web_token.hpp"
#include "openssl_types.hpp"

namespace mtlspop_emulator {
namespace {

using nlohmann::json;
using Flaw = std::optional<std::string>;

struct Parts {
  json Header;
  json Claims;
  std::string_view Signed;
  std::string Signature;
};

std::optional<Parts> Split(std::string_view token) {
  auto const first = token.find('.');
  auto const last = token.rfind('.');
  if (first == std::string_view::npos || first == last) {
    return std::nullopt;
  }
  auto const header = Base64UrlDecode(token.substr(0, first));
  auto const claims = Base64UrlDecode(token.substr(first + 1, last - first - 1));
  auto signature = Base64UrlDecode(token.substr(last + 1));
  auto const headerObject = header ? ParseJsonObject(*header) : std::nullopt;
  auto const claimsObject = claims ? ParseJsonObject(*claims) : std::nullopt;
  if (!headerObject || !claimsObject || !signature) {
    return std::nullopt;
  }
  return Parts{*headerObject, *claimsObject, token.substr(0, last), std::move(*signature)};
}

bool Verify(EVP_PKEY* key, Parts const& parts, bool pss) {
  DigestContextPtr const context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* settings = nullptr;
  if (EVP_DigestVerifyInit(context.get(), &settings, EVP_sha256(), nullptr, key) != 1) {
    return false;
  }
  if (pss && (EVP_PKEY_CTX_set_rsa_padding(settings, RSA_PKCS1_PSS_PADDING) != 1 ||
              EVP_PKEY_CTX_set_rsa_pss_saltlen(settings, RSA_PSS_SALTLEN_DIGEST) != 1)) {
    return false;
  }
  return EVP_DigestVerify(
             context.get(), reinterpret_cast<unsigned char const*>(parts.Signature.data()), parts.Signature.size(),
             reinterpret_cast<unsigned char const*>(parts.Signed.data()), parts.Signed.size()) == 1;
}

Flaw CheckHeader(Parts const& parts, ClientCertificate const& presented) {
  auto const algorithm = StringClaim(parts.Header, "alg");
  if (algorithm != "PS256" && algorithm != "RS256") {
    return "its alg is neither PS256 nor RS256";
  }
  auto const chain = parts.Header.find("x5c");
  if (chain == parts.Header.end() || !chain->is_array() || chain->empty() || !chain->front().is_string()) {
    return "its header has no x5c";
  }
  if (Base64Decode(chain->front().get<std::string>()) != presented.Der) {
    return "the first certificate of x5c is not the one presented on this connection";
  }
  auto const* bytes = reinterpret_cast<unsigned char const*>(presented.Der.data());
  CertificatePtr const certificate(d2i_X509(nullptr, &bytes, static_cast<long>(presented.Der.size())));
  if (!certificate || !Verify(X509_get0_pubkey(certificate.get()), parts, algorithm == "PS256")) {
    return "its signature is invalid";
  }
  return std::nullopt;
}

Flaw CheckClaims(json const& claims, AssertionTerms const& terms) {
  for (char const* const name : {"iss", "sub"}) {
    if (StringClaim(claims, name) != terms.ClientId) {
      return std::string(name) + " is not the client id";
    }
  }
  if (StringClaim(claims, "aud") != terms.Audience) {
    return "aud is '" + StringClaim(claims, "aud") + "', not '" + terms.Audience + "'";
  }
  if (StringClaim(claims, "jti").empty()) {
    return "it has no jti";
  }
  return InvalidNow(claims);
}

}  // namespace

std::optional<std::string> FlawOfClientAssertion(
    std::string_view token, AssertionTerms const& terms, ClientCertificate const& presented) {
  auto const parts = Split(token);
  if (!parts) {
    return "it is no JWT";
  }
  if (auto flaw = CheckHeader(*parts, presented)) {
    return flaw;
  }
  return CheckClaims(parts->Claims, terms);
}

}  // namespace mtlspop_emulator
