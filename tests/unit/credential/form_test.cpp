#include "form.hpp"

#include <array>
#include <atomic>
#include <cstdlib>
#include <new>
#include <string>
#include <string_view>

#include <malloc.h>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace {

/// What must not be found in memory that is given back; null while nobody looks.
std::atomic<char const*> lookedFor{nullptr};
std::atomic<int> found{0};

void LookAndFree(void* memory) noexcept {
  char const* const text = lookedFor.load();
  if (memory != nullptr && text != nullptr) {
    std::string_view const content{static_cast<char const*>(memory), malloc_usable_size(memory)};
    if (content.find(text) != std::string_view::npos) ++found;
  }
  std::free(memory);
}

}  // namespace

// In place of the library's, for this program: they look before they free.
void* operator new(std::size_t size) {
  if (void* const memory = std::calloc(1, size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc{};
}
void* operator new[](std::size_t size) { return ::operator new(size); }
// A sanitizer minds where memory comes from that these operators give back.
void* operator new(std::size_t size, std::nothrow_t const&) noexcept { return std::calloc(1, size == 0 ? 1 : size); }
void* operator new[](std::size_t size, std::nothrow_t const&) noexcept { return std::calloc(1, size == 0 ? 1 : size); }
void operator delete(void* memory) noexcept { LookAndFree(memory); }
void operator delete[](void* memory) noexcept { LookAndFree(memory); }
void operator delete(void* memory, std::size_t) noexcept { LookAndFree(memory); }
void operator delete[](void* memory, std::size_t) noexcept { LookAndFree(memory); }

namespace mtlspop::test {
namespace {

/// How often a piece of `secret` is in memory that `function` frees.
template <typename Function>
int CountLeftBehind(char const* secret, Function function) {
  found = 0;
  lookedFor = secret;
  function();
  lookedFor = nullptr;
  return found;
}

constexpr char const* Piece = "assertion-that-nobody-may-find";

std::string LongSecret() {
  std::string text;
  for (int i = 0; i < 100; ++i) text.append(Piece).append(1, '.');
  return text;
}

TEST(Form, IsUrlEncoded) {
  std::array<FormField, 3> const fields{{{"a", "plain-._~"}, {"b", "https://x/.default"}, {"c", "{\"k\": \xC3\xA9}"}}};
  EXPECT_EQ(WriteForm(fields).Reveal(), "a=plain-._~&b=https%3A%2F%2Fx%2F.default&c=%7B%22k%22%3A%20%C3%A9%7D");
  EXPECT_TRUE(WriteForm({}).Empty());
}

TEST(Form, JsonIsThatOfALibrary) {
  constexpr char text[] = "quote \" backslash \\ line \n nul \0 caf\xC3\xA9";
  std::string const odd{text, sizeof text - 1};
  std::array<FormField, 2> const fields{{{"csr", "MII+/="}, {"attestation_token", odd}}};
  EXPECT_EQ(
      nlohmann::json::parse(WriteJsonObject(fields).Reveal()),
      (nlohmann::json{{"csr", "MII+/="}, {"attestation_token", odd}}));
}

/// A secret leaves nothing of itself behind in freed memory.
TEST(Form, LeavesNothingBehind) {
  auto const secret = LongSecret();
  // The test can fail: this is how a text grows.
  ASSERT_GT(
      CountLeftBehind(
          Piece,
          [&] {
            std::string grown;
            for (char const character : secret) grown += character;
          }),
      0);
  std::array<FormField, 2> const fields{{{"grant_type", "client_credentials"}, {"client_assertion", secret}}};
  EXPECT_EQ(CountLeftBehind(Piece, [&] { WriteForm(fields); }), 0);
  EXPECT_EQ(CountLeftBehind(Piece, [&] { WriteJsonObject(fields); }), 0);
}

}  // namespace
}  // namespace mtlspop::test
