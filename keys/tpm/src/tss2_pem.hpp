#pragma once

/// @file
/// TSS2 PRIVATE KEY: keys sealed by a TPM, in PEM. The format is that of draft-bottomley-tpm2-keys, section 3.1.

#include <optional>
#include <string>

#include "tpm_device.hpp"

namespace mtlspop::tpm {

/// @throw Error `key_unavailable`
std::string ToPem(KeyMaterial const& key, bool hasAuthorization);

/// None where the text is no such key, or one with a policy.
std::optional<KeyMaterial> FromPem(std::string const& text);

}  // namespace mtlspop::tpm
