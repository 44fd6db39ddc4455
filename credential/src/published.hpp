#pragma once

/// @file
/// A value that many threads read all the time and one replaces now and then.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "mtlspop/base/fork_epoch.hpp"

namespace mtlspop {

/// How many groups of threads read without touching each other's cache lines: a power of two, at least twice the number
/// of processors, at most 64.
std::size_t ReaderSlots() noexcept;

/// This thread's slot, below `ReaderSlots()`. Threads get slots in turn as they first ask.
std::size_t ThisThreadsSlot() noexcept;

/// Readers announce themselves in their slot and never wait; the writer takes the value out of sight and waits until
/// whoever may still see it has left (read-copy-update with two generations of readers). Neither takes a lock.
///
/// Those who read while another thread forks never leave in the child. Its first `Replace` abandons their slots together
/// with the value they saw.
///
/// Thread safety: `Read` from any thread; `Replace` from one thread at a time.
template <typename T>
class Published final {
 public:
  explicit Published(std::unique_ptr<T const> value) : slots_(new Slots), value_(value.release()) {}
  ~Published() {
    delete value_.load();
    delete slots_.load();
  }
  Published(Published const&) = delete;
  Published& operator=(Published const&) = delete;

  /// Calls `reader(value, slot)`, which must be quick and must not call `Replace`.
  template <typename Reader>
  auto Read(Reader&& reader) const {
    auto const slot = ThisThreadsSlot();
    for (;;) {
      auto const* const slots = slots_.load();
      Presence const presence{slots->Each[slot].Readers[generation_.load()]};
      auto const& value = *value_.load();
      // The slots are replaced before the value: whoever finds them in place has the value that was abandoned with them,
      // if they are abandoned, and not one that is deleted while nobody looks into these slots any more.
      if (slots_.load() == slots) return reader(value, slot);
    }
  }

  /// The value, for whoever serializes calls of `Replace`.
  T const& Value() const noexcept { return *value_.load(); }

  void Replace(std::unique_ptr<T const> value) {
    if (slots_.load()->Epoch != ForkEpoch()) {
      slots_.store(new Slots);
      value_.store(value.release());
      return;
    }
    std::unique_ptr<T const> const old{value_.exchange(value.release())};
    // Twice, since a reader can have taken its generation before the previous change of it and announced itself after.
    WaitForReaders();
    WaitForReaders();
  }

 private:
  struct alignas(64) Slot {
    mutable std::array<std::atomic<std::uint32_t>, 2> Readers{};
  };
  struct Slots {
    std::uint64_t Epoch = ForkEpoch();
    std::vector<Slot> Each = std::vector<Slot>(ReaderSlots());
  };

  /// All operations are sequentially consistent: a reader that is not seen here sees the new value.
  class Presence {
   public:
    explicit Presence(std::atomic<std::uint32_t>& readers) noexcept : readers_(readers) { readers_.fetch_add(1); }
    ~Presence() { readers_.fetch_sub(1); }
    Presence(Presence const&) = delete;
    Presence& operator=(Presence const&) = delete;

   private:
    std::atomic<std::uint32_t>& readers_;
  };

  void WaitForReaders() noexcept {
    auto const leaving = generation_.load();
    generation_.store(leaving ^ 1U);
    for (auto const& slot : slots_.load()->Each) {
      while (slot.Readers[leaving].load() != 0) std::this_thread::yield();
    }
  }

  std::atomic<Slots const*> slots_;
  std::atomic<std::uint32_t> generation_{0};
  std::atomic<T const*> value_;
};

}  // namespace mtlspop
