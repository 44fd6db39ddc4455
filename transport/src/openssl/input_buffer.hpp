#pragma once

/// @file
/// Bytes that were received and not yet used.

#include <algorithm>
#include <cstdint>
#include <vector>

#include <gsl/span>

namespace mtlspop::openssl {

/// Thread safety: as a standard container.
class InputBuffer final {
 public:
  gsl::span<std::uint8_t const> Unused() const noexcept { return {bytes_.data() + begin_, end_ - begin_}; }
  std::size_t Size() const noexcept { return end_ - begin_; }
  bool Empty() const noexcept { return begin_ == end_; }

  void Consume(std::size_t count) noexcept {
    begin_ += count;
    if (begin_ == end_) {
      begin_ = end_ = 0;
    }
  }

  /// Room for at least `minimum` more bytes behind the unused ones.
  gsl::span<std::uint8_t> Room(std::size_t minimum) {
    if (bytes_.size() - end_ < minimum && begin_ != 0) {
      std::copy(bytes_.begin() + Offset(begin_), bytes_.begin() + Offset(end_), bytes_.begin());
      end_ -= begin_;
      begin_ = 0;
    }
    if (bytes_.size() - end_ < minimum) {
      bytes_.resize(std::max(bytes_.size() * 2, end_ + minimum));
    }
    return {bytes_.data() + end_, bytes_.size() - end_};
  }

  void Added(std::size_t count) noexcept { end_ += count; }

  /// Gives memory back before a long rest.
  void Shrink() {
    if (Empty() && bytes_.size() > RestingSize) {
      std::vector<std::uint8_t>{}.swap(bytes_);
    }
  }

 private:
  static constexpr std::size_t RestingSize = 4096;
  static std::ptrdiff_t Offset(std::size_t position) noexcept { return static_cast<std::ptrdiff_t>(position); }

  std::vector<std::uint8_t> bytes_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace mtlspop::openssl
