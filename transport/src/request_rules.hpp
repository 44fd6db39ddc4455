#pragma once

/// @file
/// What every transport checks before it does anything.

#include "mtlspop/transport/http_transport.hpp"

namespace mtlspop {

/// That `request` can be sent, and may be sent with a binding certificate where it `isBound`, without one otherwise: a
/// token travels over https only, a bound one with its certificate only, and to the host that the URL names.
/// @throw Error `invalid_argument`, `binding_requires_https`, `authorization_requires_https`,
/// `bound_token_without_binding`
void CheckRequest(Request const& request, bool isBound);

/// `options`, which can be used; what they have of times that are too long for the clock is ten years.
/// @throw Error `invalid_argument`
TransportOptions CheckedOptions(TransportOptions options);

}  // namespace mtlspop
