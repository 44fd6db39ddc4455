#include "primary_key.hpp"

#include "mtlspop/credential/errors.hpp"
#include "tpm_device.hpp"

namespace mtlspop::tpm {
namespace {

TPM2B_PUBLIC Template() {
  TPM2B_PUBLIC made{};
  auto& area = made.publicArea;
  area.type = TPM2_ALG_ECC;
  area.nameAlg = TPM2_ALG_SHA256;
  area.objectAttributes = TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT | TPMA_OBJECT_NODA |
                          TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN;
  auto& parameters = area.parameters.eccDetail;
  parameters.symmetric.algorithm = TPM2_ALG_AES;
  parameters.symmetric.keyBits.aes = 128;
  parameters.symmetric.mode.aes = TPM2_ALG_CFB;
  parameters.scheme.scheme = TPM2_ALG_NULL;
  parameters.curveID = TPM2_ECC_NIST_P256;
  parameters.kdf.scheme = TPM2_ALG_NULL;
  return made;
}

}  // namespace

ESYS_TR MakePrimaryKey(ESYS_CONTEXT* esys, Secret const& ownerAuthorization) {
  Esys_TR_SetAuth(esys, ESYS_TR_RH_OWNER, Authorization{ownerAuthorization}.Get());
  auto const shape = Template();
  TPM2B_SENSITIVE_CREATE const sensitive{};
  TPM2B_DATA const outside{};
  TPML_PCR_SELECTION const registers{};
  ESYS_TR object = ESYS_TR_NONE;
  Device::Check(
      Esys_CreatePrimary(
          esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &sensitive, &shape, &outside,
          &registers, &object, nullptr, nullptr, nullptr, nullptr),
      errors::KeyUnavailable, "The TPM does not make the storage key of the owner's hierarchy");
  return object;
}

}  // namespace mtlspop::tpm
