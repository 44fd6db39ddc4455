// JSON of the metadata and token services: a token is taken out of it, the rest is parsed and written.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "json.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  std::string text{reinterpret_cast<char const*>(data), size};
  auto const token = mtlspop::json::TakeSecret(text, "access_token");
  auto const object = mtlspop::json::ParseObject(text);
  if (!object) return 0;
  // What the parser makes has no token where one was taken.
  if (!token.Empty()) {
    auto const left = mtlspop::json::FindString(*object, "access_token");
    if (!left || *left == token.Reveal()) {
      if (!left || left->find_first_not_of('x') != std::string::npos) std::abort();
    }
  }
  mtlspop::json::FindInteger(*object, "expires_in");
  // What is written reads the same.
  auto const written = object->ToText();
  auto const again = mtlspop::json::ParseObject(written);
  if (!again || again->ToText() != written) std::abort();
  return 0;
}
