#pragma once

/// @file
/// What a resource's refusal says about the binding of the request.

#include <string_view>

#include "mtlspop/export.hpp"

namespace mtlspop {

/// What a resource says of the binding of a request that it answered with 401.
enum class BindingVerdict {
  /// Nothing.
  None,
  /// The check failed on their side (`[MtlsCnfClaimRequestDataValidationFailed]`, `S2S17001` inside
  /// `[AggregatedAuthenticationFailure]`): try again, staying bound.
  CheckFailed,
  /// Token and certificate are of different generations, or the certificate's time is over
  /// (`CertificateValidationFailedTlsCertMismatch`, `AADSTS500181`, `AADSTS1000901`): try again once, with a new binding.
  NoLongerGood,
  /// Bound tokens are not taken here (`MtlsClientPopTokenNotSupportedByResource`, `AADSTS392196`).
  NotSupported,
  /// No certificate reached them (`MissingClientCertificate`, "Client certificate required for using MTLS_POP token").
  CertificateMissing,
  /// Bearer tokens are not taken here (`BearerAuthenticationDisabledForKeyVault`).
  BearerNotTaken,
};

/// The verdict in the body of a 401.
MTLSPOP_EXPORT BindingVerdict ReadBindingVerdict(std::string_view body) noexcept;

}  // namespace mtlspop
