// Keys, certificates and certificate requests of a test's making, right or wrong in a chosen way.
#pragma once

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

namespace emulator_test {

template <auto Free>
struct OpenSslFree {
  template <typename T>
  void operator()(T* pointer) const noexcept {
    Free(pointer);
  }
};

using KeyPtr = std::unique_ptr<EVP_PKEY, OpenSslFree<EVP_PKEY_free>>;
using CertificatePtr = std::unique_ptr<X509, OpenSslFree<X509_free>>;
using CertificateRequestPtr = std::unique_ptr<X509_REQ, OpenSslFree<X509_REQ_free>>;
using DigestContextPtr = std::unique_ptr<EVP_MD_CTX, OpenSslFree<EVP_MD_CTX_free>>;
using SslContextPtr = std::unique_ptr<SSL_CTX, OpenSslFree<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, OpenSslFree<SSL_free>>;
using SessionPtr = std::unique_ptr<SSL_SESSION, OpenSslFree<SSL_SESSION_free>>;

struct Credentials {
  CertificatePtr Certificate;
  KeyPtr Key;
};

// A certificate request as .NET writes it, unless a test changes a member.
struct RequestShape {
  std::string CommonName;
  std::string DomainComponent;
  std::string CuId;
  bool DomainFirst = true;
  int CommonNameType = V_ASN1_PRINTABLESTRING;
  int DomainComponentType = V_ASN1_IA5STRING;
  bool NullParameters = false;  // Behind the identifiers of SHA-256 in the PSS parameters.
  bool TrailerField = false;    // In the PSS parameters, though it is the default.
  std::string ExtraName;        // An organisation in the subject.
  long Version = 0;
  bool Pss = true;
  char const* Digest = "SHA256";
  char const* MaskDigest = "SHA256";
  int Salt = 32;
  std::string AttributeOid = "1.3.6.1.4.1.311.90.2.10";
  int AttributeType = V_ASN1_UTF8STRING;
  int Attributes = 1;
  bool SpoilSignature = false;
};

KeyPtr MakeRsaKey(unsigned bits = 2048);
KeyPtr MakeEcKey();
// Its own algorithm says RSASSA-PSS, where the contract wants rsaEncryption.
KeyPtr MakePssKey();

// Base64 on a single line.
std::string MakeRequest(EVP_PKEY* key, RequestShape const& shape);

Credentials MakeSelfSigned(std::string const& commonName);

CertificatePtr ParseCertificate(std::string const& base64Der);
std::string ToPem(X509* certificate);
// x5t#S256, computed here anew.
std::string X5tS256Of(X509* certificate);
std::string PublicKeyBase64(EVP_PKEY* key);
std::string ToBase64(std::string const& bytes);
std::string FromBase64Url(std::string text);
std::string FromBase64(std::string const& text);

}  // namespace emulator_test
