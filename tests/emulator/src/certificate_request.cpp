#include "certificate_request.hpp"

#include <algorithm>
#include <optional>
#include <vector>

#include "directory.hpp"
#include "encoding.hpp"

namespace mtlspop_emulator {
namespace {

using Flaw = std::optional<std::string>;

constexpr char const CuIdOid[] = "1.3.6.1.4.1.311.90.2.10";

std::string TextOf(ASN1_STRING const* value) {
  return std::string(
      reinterpret_cast<char const*>(ASN1_STRING_get0_data(value)), static_cast<std::size_t>(ASN1_STRING_length(value)));
}

std::string TextOf(ASN1_OBJECT const* object) {
  char text[128];
  OBJ_obj2txt(text, sizeof text, object, 1);
  return text;
}

// Who writes the request. The two differ in the order of the subject, the type of CN, and whether the identifiers of
// SHA-256 inside the PSS parameters have the parameter NULL.
enum class Form { Net, Java };

// .NET writes the domain component first.
Form FormOf(X509_REQ* request) {
  auto const* entry = X509_NAME_get_entry(X509_REQ_get_subject_name(request), 0);
  bool const domainFirst = entry != nullptr && OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry)) == NID_domainComponent;
  return domainFirst ? Form::Net : Form::Java;
}

struct NamePart {
  int Nid;
  std::string Text;
  std::vector<int> Types;
};

Flaw CheckNameEntry(X509_NAME const* subject, int position, NamePart const& expected) {
  auto const* entry = X509_NAME_get_entry(subject, position);
  std::string const label = OBJ_nid2sn(expected.Nid);
  if (OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry)) != expected.Nid || X509_NAME_ENTRY_set(entry) != position) {
    return "subject: part " + std::to_string(position + 1) + " is not a " + label + " of its own";
  }
  auto const* data = X509_NAME_ENTRY_get_data(entry);
  auto const actual = TextOf(data);
  if (actual != expected.Text) {
    return "subject: " + label + " is '" + actual + "', not '" + expected.Text + "'";
  }
  auto const type = ASN1_STRING_type(data);
  if (std::find(expected.Types.begin(), expected.Types.end(), type) == expected.Types.end()) {
    return "subject: " + label + " is of string type " + std::to_string(type);
  }
  return std::nullopt;
}

Flaw CheckSubject(X509_REQ* request, Form form, Identity const& identity) {
  auto const* subject = X509_REQ_get_subject_name(request);
  if (X509_NAME_entry_count(subject) != 2) {
    return "subject: has " + std::to_string(X509_NAME_entry_count(subject)) + " parts, not CN and DC";
  }
  NamePart const domain{NID_domainComponent, identity.TenantId, {V_ASN1_IA5STRING}};
  NamePart common{NID_commonName, identity.ClientId, {V_ASN1_PRINTABLESTRING}};
  if (form == Form::Java) {
    common.Types.push_back(V_ASN1_UTF8STRING);
  }
  bool const domainFirst = form == Form::Net;
  if (auto flaw = CheckNameEntry(subject, 0, domainFirst ? domain : common)) {
    return flaw;
  }
  return CheckNameEntry(subject, 1, domainFirst ? common : domain);
}

Flaw CheckPublicKey(X509_REQ* request) {
  ASN1_OBJECT* algorithm = nullptr;
  X509_ALGOR* identifier = nullptr;
  X509_PUBKEY_get0_param(&algorithm, nullptr, nullptr, &identifier, X509_REQ_get_X509_PUBKEY(request));
  if (OBJ_obj2nid(algorithm) != NID_rsaEncryption) {
    return "public key: algorithm is " + TextOf(algorithm) + ", not rsaEncryption";
  }
  int parameterType = V_ASN1_UNDEF;
  X509_ALGOR_get0(nullptr, &parameterType, nullptr, identifier);
  if (parameterType != V_ASN1_NULL) {
    return "public key: the parameters of rsaEncryption are not NULL";
  }
  auto* const key = X509_REQ_get0_pubkey(request);
  if (key == nullptr) {
    return "public key: not readable";
  }
  if (EVP_PKEY_get_bits(key) != 2048) {
    return "public key: RSA of " + std::to_string(EVP_PKEY_get_bits(key)) + " bits, not 2048";
  }
  return std::nullopt;
}

bool IsAlgorithm(X509_ALGOR const* algorithm, int nid) {
  return algorithm != nullptr && OBJ_obj2nid(algorithm->algorithm) == nid;
}

// RFC 4055, section 2.1: both are right, and each form has its own.
bool HasParameterOf(X509_ALGOR const* hash, Form form) {
  bool const null = hash->parameter != nullptr && hash->parameter->type == V_ASN1_NULL;
  return form == Form::Net ? hash->parameter == nullptr : null;
}

Flaw CheckMask(RSA_PSS_PARAMS const* parameters, Form form) {
  auto const* mask = parameters->maskGenAlgorithm;
  if (!IsAlgorithm(mask, NID_mgf1) || mask->parameter == nullptr || mask->parameter->type != V_ASN1_SEQUENCE) {
    return "signature: the mask generation function is not written out as MGF1";
  }
  AlgorithmPtr const hash(
      static_cast<X509_ALGOR*>(ASN1_item_unpack(mask->parameter->value.sequence, ASN1_ITEM_rptr(X509_ALGOR))));
  if (!IsAlgorithm(hash.get(), NID_sha256)) {
    return "signature: MGF1 is not with SHA-256";
  }
  if (!HasParameterOf(hash.get(), form)) {
    return "signature: the parameter of MGF1's SHA-256 is not that of the subject's form";
  }
  return std::nullopt;
}

Flaw CheckPssParameters(ASN1_TYPE const* encoded, Form form, bool onlyNet) {
  PssParametersPtr const parameters(
      static_cast<RSA_PSS_PARAMS*>(ASN1_item_unpack(encoded->value.sequence, ASN1_ITEM_rptr(RSA_PSS_PARAMS))));
  if (!parameters) {
    return "signature: the RSASSA-PSS parameters are not readable";
  }
  if (!IsAlgorithm(parameters->hashAlgorithm, NID_sha256)) {
    return "signature: the hash is not written out as SHA-256";
  }
  if (!HasParameterOf(parameters->hashAlgorithm, form)) {
    return "signature: the parameter of SHA-256 is not that of the subject's form";
  }
  if (auto flaw = CheckMask(parameters.get(), form)) {
    return flaw;
  }
  if (parameters->saltLength == nullptr || ASN1_INTEGER_get(parameters->saltLength) != 32) {
    return "signature: the salt length is not written out as 32";
  }
  if (parameters->trailerField != nullptr && ASN1_INTEGER_get(parameters->trailerField) != 1) {
    return "signature: the trailer field is not 1";
  }
  // It is the default, which .NET leaves out as DER has it.
  if (onlyNet && parameters->trailerField != nullptr) {
    return "signature: the trailer field is written out (--strict net)";
  }
  return std::nullopt;
}

Flaw CheckSignature(X509_REQ* request, Form form, bool onlyNet) {
  X509_ALGOR const* algorithm = nullptr;
  X509_REQ_get0_signature(request, nullptr, &algorithm);
  if (!IsAlgorithm(algorithm, NID_rsassaPss)) {
    return "signature: algorithm is " + TextOf(algorithm->algorithm) + ", not RSASSA-PSS";
  }
  if (algorithm->parameter == nullptr || algorithm->parameter->type != V_ASN1_SEQUENCE) {
    return "signature: the RSASSA-PSS parameters are not written out";
  }
  if (auto flaw = CheckPssParameters(algorithm->parameter, form, onlyNet)) {
    return flaw;
  }
  if (X509_REQ_verify(request, X509_REQ_get0_pubkey(request)) != 1) {
    return "signature: does not verify with the request's own public key";
  }
  return std::nullopt;
}

Flaw CheckAttribute(X509_REQ* request, std::string_view cuId) {
  if (X509_REQ_get_attr_count(request) != 1) {
    return "attributes: there are " + std::to_string(X509_REQ_get_attr_count(request)) + ", not one";
  }
  auto* const attribute = X509_REQ_get_attr(request, 0);
  auto const oid = TextOf(X509_ATTRIBUTE_get0_object(attribute));
  if (oid != CuIdOid) {
    return "attributes: the only one is " + oid + ", not " + CuIdOid;
  }
  if (X509_ATTRIBUTE_count(attribute) != 1) {
    return "attribute: has " + std::to_string(X509_ATTRIBUTE_count(attribute)) + " values, not one";
  }
  auto const* value = X509_ATTRIBUTE_get0_type(attribute, 0);
  if (value->type != V_ASN1_UTF8STRING) {
    return "attribute: its value is no UTF8String";
  }
  auto const text = TextOf(value->value.utf8string);
  if (text != cuId) {
    return "attribute: its value is '" + text + "', not this machine's '" + std::string(cuId) + "'";
  }
  return std::nullopt;
}

Flaw FirstFlaw(X509_REQ* request, Identity const& identity, std::string_view cuId, bool onlyNet) {
  auto const form = FormOf(request);
  if (X509_REQ_get_version(request) != X509_REQ_VERSION_1) {
    return "version: is " + std::to_string(X509_REQ_get_version(request)) + ", not 0";
  }
  if (onlyNet && form != Form::Net) {
    return "subject: DC does not come first, as .NET has it (--strict net)";
  }
  if (auto flaw = CheckSubject(request, form, identity)) {
    return flaw;
  }
  if (auto flaw = CheckPublicKey(request)) {
    return flaw;
  }
  if (auto flaw = CheckSignature(request, form, onlyNet)) {
    return flaw;
  }
  return CheckAttribute(request, cuId);
}

}  // namespace

std::variant<KeyPtr, RequestFlaw> CheckCertificateRequest(
    std::string_view base64, Identity const& identity, std::string_view cuId, bool onlyNet) {
  auto const der = Base64Decode(base64);
  if (!der) {
    return RequestFlaw{"csr: is not base64 on a single line"};
  }
  auto const* bytes = reinterpret_cast<unsigned char const*>(der->data());
  auto const* const end = bytes + der->size();
  CertificateRequestPtr const request(d2i_X509_REQ(nullptr, &bytes, static_cast<long>(der->size())));
  if (!request) {
    return RequestFlaw{"csr: is not a PKCS#10 request in DER"};
  }
  if (bytes != end) {
    return RequestFlaw{"csr: bytes follow the request"};
  }
  if (auto flaw = FirstFlaw(request.get(), identity, cuId, onlyNet)) {
    return RequestFlaw{*flaw};
  }
  return KeyPtr(X509_REQ_get_pubkey(request.get()));
}

std::string PublicKeyDer(EVP_PKEY* key) {
  unsigned char* bytes = nullptr;
  int const size = i2d_PUBKEY(key, &bytes);
  if (size <= 0) {
    return {};
  }
  std::string der(reinterpret_cast<char const*>(bytes), static_cast<std::size_t>(size));
  OPENSSL_free(bytes);
  return der;
}

}  // namespace mtlspop_emulator
