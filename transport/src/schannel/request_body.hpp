#pragma once

/// @file
/// How a request's body goes through WinHTTP.

#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <vector>

#include <windows.h>

#include <gsl/span>

#include "mtlspop/transport/request.hpp"

namespace mtlspop::schannel {

/// How much of a body is read at a time.
inline constexpr std::size_t RequestPieceBytes = 64 * 1024;

/// The header fields that say how the body is framed, as far as WinHTTP does not write them itself: for a body whose
/// length is not known or does not fit into WinHTTP's 32 bits.
std::wstring RequestBodyFields(Request const& request);

/// What WinHttpSendRequest takes as the total length.
DWORD RequestTotalLength(Request const& request);

/// Says that the body could not be read, with `failure` as the cause; where a context ended, throws that as it is.
/// @throw Error `request_body_failed`, `cancelled`, `deadline_exceeded`, always
[[noreturn]] void ThrowUnreadable(std::exception_ptr failure);

/// @throw Error `request_body_failed` where the stream gives another number of bytes than its length, if it has one
void CheckBodyLength(std::optional<std::uint64_t> length, std::uint64_t sent, bool hasEnded);

/// `data` as a chunk of a body whose length is not known; nothing makes the last one.
std::vector<std::uint8_t> Chunk(gsl::span<std::uint8_t const> data);

}  // namespace mtlspop::schannel
