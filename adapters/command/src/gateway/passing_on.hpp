#pragma once

/// @file
/// What both ways through the gateway have in common: a request as it goes on to its server.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "gateway/exchange.hpp"
#include "gateway/handles.hpp"
#include "gateway/upstream.hpp"

namespace mtlspop::gateway {

/// The request of `exchange` for another URL, without its authorization and its connection's fields.
std::shared_ptr<Request> RequestFor(Exchange const& exchange, Url url);

/// Why a request is not sent on where anything in it but its authorization holds a handle, or its method is one that no
/// client of a service has: CONNECT, TRACE, OPTIONS. None where it is. (A wish to upgrade is left out by `FieldsToPassOn`: a
/// server that is not asked answers as usual.)
std::optional<Failure> RefusalToPassOn(RequestHead const& head);

/// Passes the answer of a server back, or the failure to get one.
Completion<std::unique_ptr<Response>> PassBackTo(std::shared_ptr<Exchange> exchange);

}  // namespace mtlspop::gateway
