#pragma once

/// @file
/// Objects of a token: keys and certificates.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "token.hpp"

namespace mtlspop::pkcs11 {

using Bytes = std::vector<std::uint8_t>;

/// What tells an object from others; empty for any.
struct ObjectName {
  std::string Label;
  std::string Id;
};

/// A private key as the token describes it.
struct KeyFacts {
  CK_OBJECT_HANDLE Object = 0;
  ObjectName Name;
  bool IsRsa = true;
  bool MaySign = false;
  bool AsksEachTime = false;
  /// SubjectPublicKeyInfo in DER.
  Bytes PublicKey;
};

/// The objects of a class with that name.
std::vector<CK_OBJECT_HANDLE> FindObjects(Session const& session, CK_OBJECT_CLASS kind, ObjectName const& name);

/// The one private key of that name; none where there is none.
/// @throw Error `key_unavailable` where there are several, or its public half cannot be had
std::optional<KeyFacts> FindPrivateKey(Session const& session, ObjectName const& name);

/// All private keys of that name, by their ids, then by their public halves: in every process in the same order.
std::vector<KeyFacts> FindPrivateKeys(Session const& session, ObjectName const& name);

/// Certificates of that name in DER.
std::vector<Bytes> FindCertificates(Session const& session, ObjectName const& name);

/// SubjectPublicKeyInfo of a certificate in DER; empty where it cannot be read.
Bytes PublicKeyInCertificate(Bytes const& der);

/// Of the certificates for `publicKey` the one that is valid now and became so last, else the first; empty where none is for it.
Bytes ChooseCertificate(std::vector<Bytes> const& certificates, Bytes const& publicKey);

/// Makes an RSA key of 2048 bits that neither can be extracted nor read. An empty id stands for one that no other has.
/// @return its SubjectPublicKeyInfo in DER
/// @throw Error `key_unavailable`
Bytes GenerateRsaKey(Session const& session, ObjectName name);

/// Destroys a private key and its public half, and nothing else of that name.
void DestroyKey(Session const& session, KeyFacts const& key);

}  // namespace mtlspop::pkcs11
