#pragma once

/// @file
/// A file descriptor with an owner.

#include <utility>

#include <unistd.h>

namespace mtlspop {

/// Owns a file descriptor, or none (a negative one), and closes it.
class Descriptor final {
 public:
  Descriptor() noexcept = default;
  explicit Descriptor(int descriptor) noexcept : descriptor_(descriptor) {}
  Descriptor(Descriptor&& other) noexcept : descriptor_(other.Release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      Descriptor const closing{descriptor_};
      descriptor_ = other.Release();
    }
    return *this;
  }
  ~Descriptor() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  int Get() const noexcept { return descriptor_; }
  bool IsOpen() const noexcept { return descriptor_ >= 0; }
  int Release() noexcept { return std::exchange(descriptor_, -1); }

 private:
  int descriptor_ = -1;
};

}  // namespace mtlspop
