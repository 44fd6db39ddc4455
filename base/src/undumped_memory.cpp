#include "mtlspop/base/undumped_memory.hpp"

#include <array>
#include <mutex>
#include <new>

#include "mtlspop/base/per_process.hpp"

namespace mtlspop {
namespace {

constexpr std::size_t Step = 64;
/// A token has one or two kilobytes. What is larger is rare, and has pages of its own.
constexpr std::size_t LargestBlock = 8192;
constexpr std::size_t ChunkSize = std::size_t{64} * 1024;

constexpr std::size_t RoundedUp(std::size_t size, std::size_t unit) noexcept { return (size + unit - 1) / unit * unit; }

/// Cuts chunks into blocks; freed ones wait in a list for each size.
class Blocks final {
 public:
  /// In a child, what its parent had free is left alone: its lock may be held for ever.
  explicit Blocks(Blocks* /*parents*/) noexcept {}

  /// @param size a multiple of `Step`
  void* Take(std::size_t size) {
    std::lock_guard<std::mutex> const lock{mutex_};
    auto*& free = free_[size / Step];
    if (free != nullptr) {
      auto* const block = free;
      free = block->Next;
      return block;
    }
    if (left_ < size) {
      void* const chunk = MapUndumped(ChunkSize);
      if (chunk == nullptr) throw std::bad_alloc{};
      // What is left of the one before is too small for this, and at most an eighth of it.
      next_ = static_cast<char*>(chunk);
      left_ = ChunkSize;
    }
    void* const block = next_;
    next_ += size;
    left_ -= size;
    return block;
  }

  void Put(void* memory, std::size_t size) noexcept {
    std::lock_guard<std::mutex> const lock{mutex_};
    auto*& free = free_[size / Step];
    free = new (memory) Free{free};
  }

 private:
  struct Free {
    Free* Next;
  };

  std::mutex mutex_;
  std::array<Free*, LargestBlock / Step + 1> free_{};
  char* next_ = nullptr;
  std::size_t left_ = 0;
};

/// Never destroyed: secrets may outlive static destruction.
PerProcess<Blocks> const& OfProcess() {
  static auto const& blocks = *new PerProcess<Blocks>;
  return blocks;
}

}  // namespace

void* AllocateUndumped(std::size_t size) {
  if (size <= LargestBlock) return OfProcess().Get().Take(RoundedUp(size == 0 ? 1 : size, Step));
  if (size > RoundedUp(size, ChunkSize)) throw std::bad_alloc{};
  void* const memory = MapUndumped(RoundedUp(size, ChunkSize));
  if (memory == nullptr) throw std::bad_alloc{};
  return memory;
}

void FreeUndumped(void* memory, std::size_t size) noexcept {
  if (size > LargestBlock) return UnmapUndumped(memory, RoundedUp(size, ChunkSize));
  // A child that has allocated nothing yet has nowhere to put it, and needs no memory for that.
  if (auto* const blocks = OfProcess().Find()) blocks->Put(memory, RoundedUp(size == 0 ? 1 : size, Step));
}

}  // namespace mtlspop
