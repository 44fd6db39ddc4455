#pragma once

/// @file
/// The storage key that keys are sealed under.

#include <tss2/tss2_esys.h>

#include "mtlspop/transport/secret.hpp"

namespace mtlspop::tpm {

/// Makes the primary key of the owner's hierarchy that tpm2-openssl and the engines before it use for keys whose parent is
/// 0x40000001: P-256 and AES-128-CFB. A TPM makes the same one each time.
/// @throw Error `key_unavailable`
ESYS_TR MakePrimaryKey(ESYS_CONTEXT* esys, Secret const& ownerAuthorization);

}  // namespace mtlspop::tpm
