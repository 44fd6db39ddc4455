#pragma once

/// @file
/// Memory for a handler that has to be posted where there may be none left.

#include <cstddef>

namespace mtlspop {

/// Room for one handler of Asio's at a time: whoever posts it gives `MakeAllocator()` as the handler's associated allocator. Asio gives
/// the room back before it calls the handler, which may post the next one.
///
/// Thread safety: none of its own. It has to live as long as the handler.
class ReservedMemory final {
 public:
  template <typename T>
  class Allocator final {
   public:
    using value_type = T;

    explicit Allocator(ReservedMemory* of) noexcept : of_(of) {}
    /// As every allocator: Asio makes one for what it stores from one for the handler.
    template <typename Other>
    // NOLINTNEXTLINE(google-explicit-constructor)
    Allocator(Allocator<Other> const& other) noexcept : of_(other.of_) {}

    T* allocate(std::size_t /*count*/) noexcept {
      static_assert(sizeof(T) <= sizeof(ReservedMemory::bytes_), "room for a handler");
      return reinterpret_cast<T*>(of_->bytes_);
    }
    void deallocate(T* /*memory*/, std::size_t /*count*/) noexcept {}

    template <typename Other>
    bool operator==(Allocator<Other> const& other) const noexcept {
      return of_ == other.of_;
    }
    template <typename Other>
    bool operator!=(Allocator<Other> const& other) const noexcept {
      return of_ != other.of_;
    }

   private:
    template <typename Other>
    friend class Allocator;

    ReservedMemory* of_;
  };

  Allocator<void> MakeAllocator() noexcept { return Allocator<void>{this}; }

 private:
  alignas(std::max_align_t) unsigned char bytes_[256];
};

}  // namespace mtlspop
