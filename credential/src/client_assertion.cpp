#include "client_assertion.hpp"

#include <utility>

#include <gsl/util>

#include "crypto.hpp"
#include "json.hpp"
#include "mtlspop/base/encoding.hpp"
#include "mtlspop/base/uuid.hpp"
#include "mtlspop/credential/errors.hpp"

namespace mtlspop {
namespace {

constexpr std::chrono::minutes Life{10};

std::string EncodePart(json::Value const& value) { return encoding::ToBase64Url(encoding::AsBytes(value.ToText())); }

std::string MakeHeader(BindingCertificate const& certificate, char const* algorithm) {
  auto header = json::Value::Object();
  header.Set("alg", algorithm);
  header.Set("typ", "JWT");
  header.Set("x5t#S256", certificate.X5tS256());
  auto& chain = header.Set("x5c", json::Value::Array());
  for (auto const& der : certificate.Chain()) chain.Append(encoding::ToBase64(der));
  return EncodePart(header);
}

std::string MakeClaims(ClientAssertionSubject const& subject, Clock::SystemTime now) {
  auto const seconds = [](Clock::SystemTime time) {
    return std::int64_t{std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count()};
  };
  auto claims = json::Value::Object();
  claims.Set("aud", subject.Audience);
  claims.Set("iss", subject.ClientId);
  claims.Set("sub", subject.ClientId);
  claims.Set("jti", NewUuid());
  claims.Set("nbf", seconds(now));
  claims.Set("exp", seconds(now + Life));
  return EncodePart(claims);
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
    if (auto signature = crypto::SignSha256(certificate, encoding::AsBytes(text), way.Padding)) {
      auto encoded = encoding::ToBase64Url(*signature);
      auto const cleanse = gsl::finally([&] {
        Cleanse(signature->data(), signature->size());
        Cleanse(encoded);
      });
      // In one piece: growing would leave half an assertion behind.
      std::string assertion;
      assertion.reserve(text.size() + 1 + encoded.size());
      assertion.append(text).append(".").append(encoded);
      return Secret{std::move(assertion)};
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
