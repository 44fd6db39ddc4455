#pragma once

/// @file
/// What the failure of a request says of whoever should have answered it.

#include "mtlspop/transport/error.hpp"

namespace mtlspop {

enum class NoAnswer {
  /// No connection came about: it was refused, nobody knows the name, or the packets got no answer.
  NobodyThere,
  /// A connection stood, and time ran out on it.
  TooSlow,
  /// A connection stood, and ended before it had answered.
  Lost,
  /// What came is no HTTP, or more of it than anybody takes.
  NoHttp,
  /// A connection stood, and no TLS with it.
  NoTls,
};

/// Whether a failure of the transport's says nothing of whoever should have answered: a cancellation, and what this process lacks
/// or was given wrong.
bool IsOfThisProcess(Error const& failure) noexcept;

/// Of a failure of the transport's that is not of this process.
NoAnswer WhyNoAnswer(Error const& failure) noexcept;

}  // namespace mtlspop
