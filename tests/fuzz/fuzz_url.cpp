// URLs as callers, challenges and services give them.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/url.hpp"

namespace {

void Require(bool good) {
  if (!good) std::abort();
}

/// Nothing that could end a request line or a header field.
bool IsOneWord(std::string_view text) {
  for (char const character : text) {
    if (character <= ' ' || character == 0x7f) return false;
  }
  return !text.empty();
}

/// As if it had been read with this target.
void CheckOtherTarget(mtlspop::Url const& url, std::string_view target) {
  auto const other = url.WithTarget(target);
  auto const whole = url.ToString();
  auto const root = whole.substr(0, whole.size() - url.Target().size());
  auto const read = mtlspop::Url::Parse(root + std::string{target});
  Require(other.ToString() == read.ToString() && other.GetOrigin() == url.GetOrigin());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  std::string_view const text{reinterpret_cast<char const*>(data), size};
  try {
    auto const url = mtlspop::Url::Parse(text);
    Require(IsOneWord(url.Host()) && IsOneWord(url.HostHeader()) && IsOneWord(url.Target()));
    Require(url.Target().front() == '/' && url.Port() != 0);
    Require(url.Host().find_first_of("@/?#[]\\") == std::string::npos);
    auto const again = mtlspop::Url::Parse(url.ToString());
    Require(again.ToString() == url.ToString() && again.GetOrigin() == url.GetOrigin());
    Require(again.Target() == url.Target());
    auto const longer = url.WithQueryParameter(text, text);
    Require(mtlspop::Url::Parse(longer.ToString()).Target() == longer.Target());
    Require(longer.GetOrigin() == url.GetOrigin());
    CheckOtherTarget(url, longer.Target());
    CheckOtherTarget(url, text.substr(std::min(text.find('/'), text.size())));
  } catch (mtlspop::Error const& error) {
    Require(error.Code() == mtlspop::errors::InvalidArgument);
  }
  return 0;
}
