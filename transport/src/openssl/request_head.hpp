#pragma once

/// @file
/// The first part of a request on the wire.

#include <string>

namespace mtlspop {
struct Request;
}

namespace mtlspop::openssl {

struct RequestForm;

/// Request line and header fields, the empty line included. A secret where the fields hold one.
std::string MakeRequestHead(Request const& request, RequestForm const& form);

}  // namespace mtlspop::openssl
