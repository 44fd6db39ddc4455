// WWW-Authenticate values, which come from whoever answers 401.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "mtlspop/policies/www_authenticate.hpp"

namespace {

void Require(bool good) {
  if (!good) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  std::string_view const value{reinterpret_cast<char const*>(data), size};
  auto const challenges = mtlspop::ParseWwwAuthenticate(value);
  Require(challenges.size() <= 32);
  for (auto const& challenge : challenges) {
    Require(!challenge.Scheme.empty() && challenge.Parameters.size() <= 64);
    Require(challenge.Token68.empty() || challenge.Parameters.empty());
    for (auto const& [name, text] : challenge.Parameters) {
      Require(!name.empty() && text.size() <= size);
      Require(challenge.Find(name) != nullptr);
    }
  }
  return 0;
}
