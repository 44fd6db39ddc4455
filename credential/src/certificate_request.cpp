#include "certificate_request.hpp"

#include <string_view>

#include "der.hpp"

namespace mtlspop {
namespace {

using der::Bytes;
using der::Encode;
using der::ObjectIdentifier;
using der::Tag;

Bytes RelativeName(Bytes type, Bytes value) {
  return Encode(Tag::Set, {Encode(Tag::Sequence, {std::move(type), std::move(value)})});
}

/// X.680 section 41.4. A client id is a GUID, whose characters are all of them.
bool IsPrintableString(std::string_view text) {
  constexpr std::string_view allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 '()+,-./:=?";
  return text.find_first_not_of(allowed) == std::string_view::npos;
}

/// The domain component first: .NET writes the names of "CN=..., DC=..." from last to first, and the service was built
/// against its requests.
Bytes Subject(CertificateRequestSubject const& subject) {
  Bytes const commonName = ObjectIdentifier({2, 5, 4, 3});
  Bytes const domainComponent = ObjectIdentifier({0, 9, 2342, 19200300, 100, 1, 25});
  auto const commonNameTag = IsPrintableString(subject.ClientId) ? Tag::PrintableString : Tag::Utf8String;
  return Encode(
      Tag::Sequence, {// RFC 4519 section 2.4: a domainComponent is an IA5String.
                      RelativeName(domainComponent, Encode(Tag::Ia5String, subject.TenantId)),
                      RelativeName(commonName, Encode(commonNameTag, subject.ClientId))});
}

Bytes Attributes(std::string const& cuIdJson) {
  Bytes const cuId = ObjectIdentifier({1, 3, 6, 1, 4, 1, 311, 90, 2, 10});
  Bytes const values = Encode(Tag::Set, {Encode(Tag::Utf8String, cuIdJson)});
  // [0] IMPLICIT SET OF Attribute (RFC 2986 section 4.1).
  return Encode(Tag::Context0, {Encode(Tag::Sequence, {cuId, values})});
}

/// RSASSA-PSS-params of RFC 4055 section 3.1. The identifiers of SHA-256 have no parameters: section 2.1 has both forms
/// accepted, and .NET writes this one.
Bytes PssAlgorithm() {
  Bytes const sha256 = Encode(Tag::Sequence, {ObjectIdentifier({2, 16, 840, 1, 101, 3, 4, 2, 1})});
  Bytes const mgf1 = Encode(Tag::Sequence, {ObjectIdentifier({1, 2, 840, 113549, 1, 1, 8}), sha256});
  Bytes const parameters = Encode(
      Tag::Sequence,
      {Encode(Tag::Context0, {sha256}), Encode(Tag::Context1, {mgf1}), Encode(Tag::Context2, {der::SmallInteger(32)})});
  return Encode(Tag::Sequence, {ObjectIdentifier({1, 2, 840, 113549, 1, 1, 10}), parameters});
}

}  // namespace

std::vector<std::uint8_t> MakeCertificateRequest(CertificateRequestSubject const& subject, BindingKey const& key) {
  Bytes const information = Encode(
      Tag::Sequence,
      {der::SmallInteger(0), Subject(subject), key.SubjectPublicKeyInfo(), Attributes(subject.CuIdJson)});
  Bytes const signature = key.SignPssSha256(information);
  return Encode(Tag::Sequence, {information, PssAlgorithm(), der::BitString(signature)});
}

}  // namespace mtlspop
