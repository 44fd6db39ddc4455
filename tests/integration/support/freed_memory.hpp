#pragma once

/// @file
/// Looks for a secret in memory that a program gives back. It replaces the operators for memory, so it is to be included by one
/// file of a program, and not where ThreadSanitizer does so, too.

#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <string_view>

namespace mtlspop::test {

/// What must not be found; null while nobody looks.
inline std::atomic<char const*> lookedFor{nullptr};
inline std::atomic<int> foundInFreedMemory{0};

inline void LookAndFree(void* memory) noexcept {
  char const* const text = lookedFor.load();
  if (memory != nullptr && text != nullptr) {
    std::string_view const content{static_cast<char const*>(memory), malloc_usable_size(memory)};
    if (content.find(text) != std::string_view::npos) ++foundInFreedMemory;
  }
  std::free(memory);
}

/// How often a piece of `secret` is in memory that `function` frees.
template <typename Function>
int CountLeftBehind(char const* secret, Function function) {
  foundInFreedMemory = 0;
  lookedFor = secret;
  function();
  lookedFor = nullptr;
  return foundInFreedMemory;
}

}  // namespace mtlspop::test

// In place of the library's, for this program: they look before they free.
void* operator new(std::size_t size) {
  if (void* const memory = std::calloc(1, size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc{};
}
void* operator new[](std::size_t size) { return ::operator new(size); }
// A sanitizer minds where memory comes from that these operators give back.
void* operator new(std::size_t size, std::nothrow_t const&) noexcept { return std::calloc(1, size == 0 ? 1 : size); }
void* operator new[](std::size_t size, std::nothrow_t const&) noexcept { return std::calloc(1, size == 0 ? 1 : size); }
void operator delete(void* memory) noexcept { mtlspop::test::LookAndFree(memory); }
void operator delete[](void* memory) noexcept { mtlspop::test::LookAndFree(memory); }
void operator delete(void* memory, std::size_t) noexcept { mtlspop::test::LookAndFree(memory); }
void operator delete[](void* memory, std::size_t) noexcept { mtlspop::test::LookAndFree(memory); }
