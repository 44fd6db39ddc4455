#include "client_assertion.hpp"

#include "crypto.hpp"
#include "json.hpp"
#include "mtlspop/base/encoding.hpp"
#include "mtlspop/base/uuid.hpp"
#include "mtlspop/credential/errors.hpp"

namespace mtlspop {
namespace {

constexpr std::chrono::minutes Life{10};

std::string EncodePart(nlohmann::json const& value) {
  return encoding::ToBase64Url(encoding::AsBytes(json::ToText(value)));
}

std::string MakeHeader(BindingCertificate const& certificate, char const* algorithm) {
  auto chain = nlohmann::json::array();
  for (auto const& der : certificate.Chain()) chain.push_back(encoding::ToBase64(der));
  return EncodePart({{"alg", algorithm}, {"typ", "JWT"}, {"x5t#S256", certificate.X5tS256()}, {"x5c", chain}});
}

std::string MakeClaims(ClientAssertionSubject const& subject, Clock::SystemTime now) {
  auto const seconds = [](Clock::SystemTime time) {
    return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
  };
  return EncodePart(
      {{"aud", subject.Audience},
       {"iss", subject.ClientId},
       {"sub", subject.ClientId},
       {"jti", NewUuid()},
       {"nbf", seconds(now)},
       {"exp", seconds(now + Life)}});
}

}  // namespace

Secret MakeClientAssertion(
    BindingCertificate const& certificate, ClientAssertionSubject const& subject, Clock::SystemTime now) {
  auto const claims = MakeClaims(subject, now);
  struct Way {
    char const* Algorithm;
    crypto::RsaPadding Padding;
  };
  for (auto const& way : {Way{"PS256", crypto::RsaPadding::Pss}, Way{"RS256", crypto::RsaPadding::Pkcs1}}) {
    auto const text = MakeHeader(certificate, way.Algorithm) + "." + claims;
    if (auto const signature = crypto::SignSha256(certificate, encoding::AsBytes(text), way.Padding)) {
      return Secret{text + "." + encoding::ToBase64Url(*signature)};
    }
  }
  throw Error{
      {errors::PrivateKeyUnusable,
       "The key of the client certificate " + certificate.Sha1Thumbprint() +
           " signed no client assertion, neither with RSASSA-PSS nor with RSASSA-PKCS1-v1_5",
       "A bearer token needs an RSA key that may sign; give the app a certificate with one, or ask for a bound token, "
       "which needs no assertion"}};
}

}  // namespace mtlspop
