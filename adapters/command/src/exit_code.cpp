#include "exit_code.hpp"

#include <algorithm>
#include <iterator>

#include "errors.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/policies/errors.hpp"

namespace mtlspop::command {
namespace {

struct Row {
  ErrorCode Code;
  ExitCode Exit;
};

// What is not here is ExitCode::Failed.
constexpr Row Rows[] = {
    {errors::Usage, ExitCode::Usage},
    {errors::NotBuilt, ExitCode::Usage},
    {errors::UrlMalformed, ExitCode::UrlMalformed},
    {errors::HttpStatus, ExitCode::HttpStatus},
    {errors::WriteFailed, ExitCode::WriteFailed},
    {errors::ReadFailed, ExitCode::ReadFailed},
    {errors::ProgramNotExecutable, ExitCode::ProgramNotExecutable},
    {errors::ProgramNotFound, ExitCode::ProgramNotFound},
    {errors::InvalidArgument, ExitCode::Usage},
    {errors::BindingRequiresHttps, ExitCode::Usage},
    {errors::AuthorizationRequiresHttps, ExitCode::Usage},
    {errors::TenantRequired, ExitCode::Usage},
    {errors::TenantNotAllowed, ExitCode::Usage},
    {errors::AttestationRequiresPop, ExitCode::Usage},
    {errors::NameResolutionFailed, ExitCode::HostNotResolved},
    {errors::ConnectFailed, ExitCode::ConnectFailed},
    {errors::MalformedResponse, ExitCode::WeirdAnswer},
    {errors::HeaderBytesLimitExceeded, ExitCode::WeirdAnswer},
    {errors::HeaderCountLimitExceeded, ExitCode::WeirdAnswer},
    {errors::LineBytesLimitExceeded, ExitCode::WeirdAnswer},
    {errors::ChunkExtensionLimitExceeded, ExitCode::WeirdAnswer},
    {errors::InformationalLimitExceeded, ExitCode::WeirdAnswer},
    {errors::RequestBodyFailed, ExitCode::ReadFailed},
    {errors::DeadlineExceeded, ExitCode::TimedOut},
    {errors::PoolExhausted, ExitCode::TimedOut},
    {errors::PoolQueueFull, ExitCode::TimedOut},
    {errors::TlsHandshakeFailed, ExitCode::TlsFailed},
    {errors::RenegotiationLimitExceeded, ExitCode::TlsFailed},
    {errors::RedirectRefused, ExitCode::Redirected},
    {errors::ConnectionLost, ExitCode::ConnectionLost},
    {errors::ConnectionLostDuringBinding, ExitCode::ConnectionLost},
    {errors::ClientCertificateUnusable, ExitCode::ClientCertificate},
    {errors::InvalidBindingCertificate, ExitCode::ClientCertificate},
    {errors::PrivateKeyUnusable, ExitCode::ClientCertificate},
    {errors::KeyUnavailable, ExitCode::ClientCertificate},
    {errors::ServerCertificateRejected, ExitCode::ServerNotTrusted},
    {errors::TrustStoreUnusable, ExitCode::TrustStore},
    {errors::BindingCertificateRejected, ExitCode::ResourceRefused},
    {errors::ResourceDoesNotSupportBoundTokens, ExitCode::ResourceRefused},
    {errors::BearerTokensNotTaken, ExitCode::ResourceRefused},
    {errors::TokenRefused, ExitCode::ResourceRefused},
    {errors::ChallengeRejected, ExitCode::ResourceRefused},
    {errors::ProxyFailed, ExitCode::ProxyFailed},
    {errors::ProxyAuthenticationRequired, ExitCode::ProxyFailed},
    {errors::ImdsNotReachable, ExitCode::NoMetadataService},
    {errors::NotImds, ExitCode::NoMetadataService},
    {errors::ImdsRefused, ExitCode::MetadataServiceRefused},
    {errors::ImdsUnavailable, ExitCode::MetadataServiceRefused},
    {errors::ImdsResponseMalformed, ExitCode::MetadataServiceRefused},
    {errors::IssuedCertificateRejected, ExitCode::MetadataServiceRefused},
    {errors::MtlsPopNotSupportedInImdsV1, ExitCode::NoBoundTokens},
    {errors::MtlsPopRequiresKeyGuard, ExitCode::NoBoundTokens},
    {errors::MtlsPopDisabled, ExitCode::NoBoundTokens},
    {errors::AttestationFailed, ExitCode::NoBoundTokens},
    {errors::TenantNotEligibleForBoundTokens, ExitCode::NoBoundTokens},
    {errors::MinimumStrengthNotAvailable, ExitCode::NoBoundTokens},
    {errors::TokenBindingMismatch, ExitCode::TokenServiceRefused},
    {errors::TokenTypeMismatch, ExitCode::TokenServiceRefused},
    {errors::TokenMalformed, ExitCode::TokenServiceRefused},
    {errors::TokenResponseMalformed, ExitCode::TokenServiceRefused},
    {errors::BindingRejected, ExitCode::TokenServiceRefused},
    {errors::TokenRequestRefused, ExitCode::TokenServiceRefused},
    {errors::TokenServiceUnavailable, ExitCode::TokenServiceRefused},
    {errors::MtlsNotEnabledForApp, ExitCode::TokenServiceRefused},
    {errors::ScopesUnknown, ExitCode::ScopeUnknown},
};

}  // namespace

ExitCode ExitCodeOf(Error const& error) noexcept {
  auto const row =
      std::find_if(std::begin(Rows), std::end(Rows), [&](Row const& known) { return known.Code == error.Code(); });
  return row == std::end(Rows) ? ExitCode::Failed : row->Exit;
}

}  // namespace mtlspop::command
