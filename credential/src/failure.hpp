#pragma once

/// @file
/// A failure that can be given to several threads.

#include <exception>
#include <memory>
#include <vector>

#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/out_of_memory.hpp"

namespace mtlspop {

/// An exception with its causes as plain data: each thread that waits for a piece of work gets an exception of its own,
/// and none shares an object with another.
class Failure final {
 public:
  /// The exception that is being handled, or, where there is no memory to tell of it, that there was none.
  static Failure Current() noexcept;

  /// Throws it, its causes nested.
  [[noreturn]] void Throw() const;

  /// The same for whoever is told and not thrown at.
  std::exception_ptr Pointer() const noexcept;

  /// The outermost one.
  ErrorDetails const& Outermost() const noexcept { return chain_->front(); }

 private:
  Failure() = default;
  [[noreturn]] void ThrowFrom(std::size_t index) const;

  using Chain = std::vector<ErrorDetails>;

  /// Outermost first; never empty. Shared, so that handing it on needs no memory.
  std::shared_ptr<Chain const> chain_;
};

}  // namespace mtlspop
