#pragma once

/// @file
/// The usual pipeline: retry, authorize, log, send.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gsl/pointers>

#include "mtlspop/credential/token_credential.hpp"
#include "mtlspop/policies/http_pipeline.hpp"
#include "mtlspop/policies/retry_policy.hpp"

namespace mtlspop {

struct BoundPipelineOptions {
  /// As `TokenAuthorizationOptions::Scopes`.
  std::vector<std::string> Scopes;
  /// As `TokenAuthorizationOptions::TenantId`.
  std::string TenantId;
  /// As `TokenAuthorizationOptions::Binding`.
  std::optional<TokenBinding> Binding;
  /// Its `Log` is left out of account: `Log` below goes to all policies.
  RetryOptions Retry;
  Logger Log;
};

/// A pipeline that authorizes requests with tokens of `credential` and sends them, each with its own certificate, through
/// `transport`.
///
/// @code
/// auto pipeline = mtlspop::MakeBoundPipeline(credential, mtlspop::MakeHttpTransport());
/// mtlspop::PipelineRequest request{{"GET", mtlspop::Url::Parse("https://myvault.vault.azure.net/secrets/a?api-version=7.4")}};
/// auto response = pipeline.Send(request, mtlspop::Context{}.WithTimeout(std::chrono::seconds{30}));
/// @endcode
/// @throw Error `invalid_argument` for retry options out of range
HttpPipeline MakeBoundPipeline(
    gsl::not_null<std::shared_ptr<TokenCredential>> credential,
    gsl::not_null<std::shared_ptr<HttpTransport>> transport,
    BoundPipelineOptions options = {});

}  // namespace mtlspop
