#pragma once

/// @file
/// Attestation of KeyGuard keys, over a table of functions.

#include <memory>
#include <string>

#include "attestation_library.hpp"

#include "mtlspop/credential/attestation_provider.hpp"

namespace mtlspop::windows {

/// As the function of windows.hpp, over a table of functions; `libraryPath` is the value of ATTESTATION_CLIENTLIB_PATH.
gsl::not_null<std::shared_ptr<AttestationProvider>> MakeKeyGuardAttestationProvider(
    std::shared_ptr<LibraryFunctions> functions, std::string libraryPath, EventSink observer);

}  // namespace mtlspop::windows
