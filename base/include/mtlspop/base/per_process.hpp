#pragma once

/// @file
/// State that a child of fork() must not share with its parent's threads.

#include <atomic>
#include <cstdint>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include "mtlspop/base/fork_epoch.hpp"

namespace mtlspop {

/// A `T` that the parent of this process does not use. A child of fork() has copies of its parent's locks, condition
/// variables and lists of what is under way, but none of the threads that held them, waited for them or would finish
/// the work: to wait for them is to wait for ever, and to destroy a condition variable is to wait for its waiters.
///
/// So the child's first look makes another `T`, and the parent's is abandoned where it lies. `T` is constructed from a
/// `T*`, null at first, in a child the parent's, of which nothing may be used but what the constructor can get hold of
/// without waiting (`try_lock`); and from the seeds, which this object keeps for the children. Where `T` has a member
/// `void Abandon() noexcept`, it is called in the child on the parent's, once, to let go of what the child has a copy of
/// (descriptors).
///
/// Thread safety: all members may be called from any thread.
template <typename T, typename... Seeds>
class PerProcess final {
 public:
  explicit PerProcess(Seeds... seeds) : seeds_(std::move(seeds)...), current_(Make(nullptr).release()) {}
  ~PerProcess() {
    std::unique_ptr<Owned> owned{current_.load()};
    if (owned->Epoch == ForkEpoch()) return;
    Abandon(owned->Value);
    static_cast<void>(owned.release());
  }
  PerProcess(PerProcess const&) = delete;
  PerProcess& operator=(PerProcess const&) = delete;

  /// This process's. The reference holds for as long as this object and the process last.
  /// @throw std::bad_alloc, and what the constructor of `T` throws, in a child only
  T& Get() const {
    auto* owned = current_.load(std::memory_order_acquire);
    if (owned->Epoch == ForkEpoch()) return owned->Value;
    auto made = Make(&owned->Value);
    // Another thread of the child may have been faster: then `owned` is its, and ours goes.
    if (!current_.compare_exchange_strong(owned, made.get())) return owned->Value;
    Abandon(owned->Value);
    return made.release()->Value;
  }

  /// The same, null where this process has not asked for its own yet.
  T* Find() const noexcept {
    auto* const owned = current_.load(std::memory_order_acquire);
    return owned->Epoch == ForkEpoch() ? &owned->Value : nullptr;
  }

 private:
  struct Owned {
    explicit Owned(T* parents, Seeds const&... seeds) : Value(parents, seeds...) {}
    std::uint64_t const Epoch = ForkEpoch();
    T Value;
  };

  template <typename U, typename = void>
  struct CanAbandon : std::false_type {};
  template <typename U>
  struct CanAbandon<U, std::void_t<decltype(std::declval<U&>().Abandon())>> : std::true_type {};

  static void Abandon([[maybe_unused]] T& value) noexcept {
    if constexpr (CanAbandon<T>::value) value.Abandon();
  }

  std::unique_ptr<Owned> Make(T* parents) const {
    return std::apply([parents](auto const&... seeds) { return std::make_unique<Owned>(parents, seeds...); }, seeds_);
  }

  std::tuple<Seeds...> const seeds_;
  mutable std::atomic<Owned*> current_;
};

}  // namespace mtlspop
