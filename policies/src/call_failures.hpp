#pragma once

#include "mtlspop/policies/bound_call.hpp"
#include "mtlspop/transport/url.hpp"

/// What is wrong with a resource, or with a credential for it.
namespace mtlspop::failures {

BoundCall::Fail NotHttps(Url const& target);
BoundCall::Fail WithoutBinding(Url const& target);
BoundCall::Fail NotBound(Url const& target);
/// For a service that takes bound tokens on a host of their own, and whose other hosts never ask for the certificate.
BoundCall::Fail BoundTokensGoElsewhere(Url const& target);
BoundCall::Fail BoundNotTaken(Url const& target);
BoundCall::Fail BearerNotTaken(Url const& target);
BoundCall::Fail Redirected(Url const& target, int status);
BoundCall::Fail ScopesUnknown(Url const& target, int status);
BoundCall::Fail Refused(Url const& target);

}  // namespace mtlspop::failures
