#pragma once

/// @file
/// Bytes that were received and not yet used.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include <gsl/span>

#include "mtlspop/transport/secret.hpp"

namespace mtlspop::openssl {

/// Overwrites what was used, and what it leaves behind when it moves: answers hold tokens.
///
/// Thread safety: as a standard container.
class InputBuffer final {
 public:
  InputBuffer() = default;
  InputBuffer(InputBuffer const&) = delete;
  InputBuffer& operator=(InputBuffer const&) = delete;
  ~InputBuffer() { Consume(Size()); }

  gsl::span<std::uint8_t const> Unused() const noexcept { return {bytes_.data() + begin_, end_ - begin_}; }
  std::size_t Size() const noexcept { return end_ - begin_; }
  bool Empty() const noexcept { return begin_ == end_; }

  void Consume(std::size_t count) noexcept {
    Overwrite(begin_, count);
    begin_ += count;
    if (begin_ == end_) {
      begin_ = end_ = 0;
    }
  }

  /// Room for at least `minimum` more bytes behind the unused ones.
  gsl::span<std::uint8_t> Room(std::size_t minimum) {
    if (bytes_.size() - end_ < minimum && begin_ != 0) {
      MoveToFront();
    }
    if (bytes_.size() - end_ < minimum) {
      Grow(std::max(bytes_.size() * 2, end_ + minimum));
    }
    return {bytes_.data() + end_, bytes_.size() - end_};
  }

  void Added(std::size_t count) noexcept { end_ += count; }

  /// Gives memory back that was needed for once.
  void ShrinkIfLarge() {
    if (bytes_.size() > UsualSize && Empty()) {
      std::vector<std::uint8_t>{}.swap(bytes_);
    }
  }

  /// Gives memory back before a long rest.
  void Shrink() {
    if (Empty() && bytes_.size() > RestingSize) {
      std::vector<std::uint8_t>{}.swap(bytes_);
    }
  }

 private:
  static constexpr std::size_t RestingSize = 4096;
  static constexpr std::size_t UsualSize = 256 * 1024;

  void Overwrite(std::size_t from, std::size_t count) noexcept {
    if (count != 0) {
      Cleanse(bytes_.data() + from, count);
    }
  }

  void MoveToFront() noexcept {
    auto const size = Size();
    std::memmove(bytes_.data(), bytes_.data() + begin_, size);
    auto const stale = std::max(size, begin_);
    Overwrite(stale, end_ - stale);
    begin_ = 0;
    end_ = size;
  }

  void Grow(std::size_t size) {
    std::vector<std::uint8_t> larger(size);
    std::copy_n(bytes_.data(), end_, larger.data());
    Overwrite(0, end_);
    bytes_.swap(larger);
  }

  std::vector<std::uint8_t> bytes_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace mtlspop::openssl
