#pragma once

/// @file
/// State that a child of fork() must not share with its parent's threads.

#include <atomic>
#include <cstdint>
#include <memory>

#include "crypto.hpp"

namespace mtlspop {

/// A `T` that the parent of this process does not use. A child of fork() has copies of its parent's locks, condition
/// variables and lists of what is under way, but none of the threads that held them, waited for them or would finish
/// the work: to wait for them is to wait for ever, and to destroy a condition variable is to wait for its waiters.
///
/// So the child's first look makes another `T`, and the parent's is abandoned where it lies. `T` is constructed from a
/// `T*`: null at first, in a child the parent's, of which nothing may be used but what the constructor can get hold of
/// without waiting (`try_lock`).
///
/// Thread safety: all members may be called from any thread.
template <typename T>
class PerProcess final {
 public:
  PerProcess() : current_(new Owned{nullptr}) {}
  ~PerProcess() {
    auto* const owned = current_.load();
    if (owned->ProcessId == crypto::ProcessId()) delete owned;
  }
  PerProcess(PerProcess const&) = delete;
  PerProcess& operator=(PerProcess const&) = delete;

  /// This process's. The reference holds for as long as this object and the process last.
  /// @throw std::bad_alloc, and what the constructor of `T` throws, in a child only
  T& Get() const {
    auto* owned = current_.load(std::memory_order_acquire);
    if (owned->ProcessId == crypto::ProcessId()) return owned->Value;
    auto made = std::make_unique<Owned>(&owned->Value);
    // Another thread of the child may have been faster: then `owned` is its, and ours goes.
    if (!current_.compare_exchange_strong(owned, made.get())) return owned->Value;
    return made.release()->Value;
  }

  /// The same, null where this process has not asked for its own yet.
  T* Find() const noexcept {
    auto* const owned = current_.load(std::memory_order_acquire);
    return owned->ProcessId == crypto::ProcessId() ? &owned->Value : nullptr;
  }

 private:
  struct Owned {
    explicit Owned(T* parents) : Value(parents) {}
    std::uint64_t const ProcessId = crypto::ProcessId();
    T Value;
  };

  mutable std::atomic<Owned*> current_;
};

}  // namespace mtlspop
