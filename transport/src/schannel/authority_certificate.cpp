#include "schannel/authority_certificate.hpp"

namespace mtlspop::schannel {

bool IsAuthorityOfOthers(PCCERT_CONTEXT certificate) {
  auto* const info = certificate->pCertInfo;
  auto const* const extension = CertFindExtension(szOID_BASIC_CONSTRAINTS2, info->cExtension, info->rgExtension);
  if (extension == nullptr || CertCompareCertificateName(X509_ASN_ENCODING, &info->Issuer, &info->Subject) != FALSE) {
    return false;
  }
  CERT_BASIC_CONSTRAINTS2_INFO constraints{};
  DWORD size = sizeof constraints;
  return CryptDecodeObject(
             X509_ASN_ENCODING, X509_BASIC_CONSTRAINTS2, extension->Value.pbData, extension->Value.cbData, 0,
             &constraints, &size) == FALSE ||
         constraints.fCA != FALSE;
}

}  // namespace mtlspop::schannel
