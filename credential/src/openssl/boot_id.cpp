#include "boot_id.hpp"

#include <array>
#include <cstddef>
#include <cstdio>
#include <memory>

namespace mtlspop {

std::string BootId() {
  constexpr std::size_t length = 36;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> const file{
      std::fopen("/proc/sys/kernel/random/boot_id", "rb"), &std::fclose};
  std::array<char, length> text{};
  bool const isRead = file && std::fread(text.data(), 1, text.size(), file.get()) == text.size();
  return isRead ? std::string{text.data(), text.size()} : std::string{};
}

}  // namespace mtlspop
