#pragma once

/// @file
/// Lets allocations of a program fail, those of OpenSSL too. It replaces the operators for memory: to be included by one file
/// of a program, which defines `Fails`.

#include <openssl/crypto.h>

#include <cstddef>
#include <cstdlib>
#include <new>

namespace mtlspop::test {

/// Whether the allocation that is asked for now is to fail. Called by any thread.
bool Fails() noexcept;

/// Before OpenSSL has allocated anything.
inline int const failingIsInstalled = CRYPTO_set_mem_functions(
    [](std::size_t size, char const*, int) -> void* { return Fails() ? nullptr : std::malloc(size); },
    [](void* memory, std::size_t size, char const*, int) -> void* {
      return Fails() ? nullptr : std::realloc(memory, size);
    },
    [](void* memory, char const*, int) { std::free(memory); });

}  // namespace mtlspop::test

// Not inlined: a compiler that sees only one of a pair complains of the other.
[[gnu::noinline]] void* operator new(std::size_t size) {
  void* const memory = mtlspop::test::Fails() ? nullptr : std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc{};
  return memory;
}
// AddressSanitizer has one of its own that does not come here.
[[gnu::noinline]] void* operator new(std::size_t size, std::nothrow_t const&) noexcept {
  return mtlspop::test::Fails() ? nullptr : std::malloc(size);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
