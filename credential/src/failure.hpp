#pragma once

/// @file
/// A failure that can be given to several threads.

#include <exception>
#include <vector>

#include "mtlspop/transport/error.hpp"

namespace mtlspop {

/// An exception with its causes as plain data: each thread that waits for a piece of work gets an exception of its own,
/// and none shares an object with another.
class Failure final {
 public:
  /// The exception that is being handled.
  static Failure Current();

  /// Throws it, its causes nested.
  [[noreturn]] void Throw() const;

  /// The same for whoever is told and not thrown at.
  std::exception_ptr Pointer() const noexcept;

  /// The outermost one.
  ErrorDetails const& Outermost() const noexcept { return chain_.front(); }

 private:
  Failure() = default;
  [[noreturn]] void ThrowFrom(std::size_t index) const;

  /// Outermost first; never empty.
  std::vector<ErrorDetails> chain_;
};

}  // namespace mtlspop
