#pragma once

/// @file
/// OpenSSL's error queue as an `Error`.

#include <string>

#include <openssl/err.h>
#include <gsl/util>

#include "mtlspop/base/openssl/owners.hpp"
#include "mtlspop/transport/error.hpp"

namespace mtlspop::ossl {

/// The reason of the oldest entry of this thread's error queue, which is emptied. OpenSSL's reasons are fixed texts: no
/// data of the call is in them.
/// @throw std::bad_alloc where OpenSSL says that memory was short
std::string TakeReason();

/// An error whose `What` ends with OpenSSL's reason: of `code`, or `system_failure` where OpenSSL came to no end by itself.
/// @throw std::bad_alloc where OpenSSL says that memory was short
Error Failure(ErrorCode code, std::string const& what);

}  // namespace mtlspop::ossl
