#pragma once

/// @file
/// Which certificates are of authorities.

#include <windows.h>

#include <wincrypt.h>

namespace mtlspop::schannel {

/// Whether it is one of an authority that another one vouches for, which signs certificates (RFC 5280 section 4.2.1.9). One
/// that signed itself is marked so by many a tool, whatever it is for.
bool IsAuthorityOfOthers(PCCERT_CONTEXT certificate);

}  // namespace mtlspop::schannel
