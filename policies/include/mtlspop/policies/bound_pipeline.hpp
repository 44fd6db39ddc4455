#pragma once

/// @file
/// The usual pipeline: identify, authorize and retry, tell observers, send.

#include <memory>
#include <string>

#include "mtlspop/credential/token_credential.hpp"
#include "mtlspop/export.hpp"
#include "mtlspop/policies/bound_call.hpp"
#include "mtlspop/policies/http_pipeline.hpp"
#include "mtlspop/policies/identification_policy.hpp"
#include "mtlspop/transport/clock.hpp"

namespace mtlspop {

/// Options of `MakeBoundPipeline`. A default-constructed one asks each resource what token it wants.
struct BoundPipelineOptions : BoundCallOptions {
  /// Must not be null.
  std::shared_ptr<Clock> Time = SystemClock();
  /// For requests that have no `User-Agent` of their own; "" for none.
  std::string UserAgent = DefaultUserAgent();
};

/// A pipeline that authorizes requests with tokens of `credential` and sends them, each with its own certificate, through
/// `transport`. Each call has an id (`IdentificationPolicy`), and its attempts are told to the observer (`EventPolicy`).
///
/// @code
/// auto pipeline = mtlspop::MakeBoundPipeline(credential, mtlspop::MakeHttpTransport());
/// mtlspop::PipelineRequest request{{"GET", mtlspop::Url::Parse("https://myvault.vault.azure.net/secrets/a?api-version=7.4")}};
/// auto response = pipeline.Send(request, mtlspop::Context{}.WithTimeout(std::chrono::seconds{30}));
/// @endcode
/// @throw Error `invalid_argument` for options out of range and for a pointer that is null
MTLSPOP_EXPORT HttpPipeline MakeBoundPipeline(
    std::shared_ptr<TokenCredential> credential,
    std::shared_ptr<HttpTransport> transport,
    BoundPipelineOptions options = {});

}  // namespace mtlspop
