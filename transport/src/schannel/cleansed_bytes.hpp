#pragma once

/// @file
/// A buffer of a body, which may hold a token.

#include <algorithm>
#include <cstdint>
#include <vector>

#include <gsl/span>

#include "mtlspop/transport/secret.hpp"

namespace mtlspop::schannel {

/// Overwritten before it holds something else, and when it goes.
///
/// Thread safety: as a standard container.
class CleansedBytes final {
 public:
  CleansedBytes() = default;
  CleansedBytes(CleansedBytes const&) = delete;
  CleansedBytes& operator=(CleansedBytes const&) = delete;
  ~CleansedBytes() { Clear(); }

  /// `size` zero bytes in place of what was there.
  gsl::span<std::uint8_t> Renew(std::size_t size) {
    Clear();
    bytes_.resize(size);
    return bytes_;
  }
  void Assign(gsl::span<std::uint8_t const> from) { std::copy(from.begin(), from.end(), Renew(from.size()).begin()); }
  gsl::span<std::uint8_t> Bytes() noexcept { return bytes_; }
  gsl::span<std::uint8_t const> Bytes() const noexcept { return bytes_; }
  void Clear() noexcept {
    Cleanse(bytes_.data(), bytes_.size());
    bytes_.clear();
  }

 private:
  std::vector<std::uint8_t> bytes_;
};

}  // namespace mtlspop::schannel
