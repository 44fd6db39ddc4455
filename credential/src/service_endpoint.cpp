#include "service_endpoint.hpp"

#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/headers.hpp"
#include "mtlspop/transport/url.hpp"

namespace mtlspop {
namespace {

std::optional<Url> ParseHttps(std::string_view text) {
  // The parser drops a fragment; here it is somebody's attempt to be read in two ways.
  if (text.find_first_of("?#@\\ ") != std::string_view::npos) return std::nullopt;
  try {
    auto url = Url::Parse(text);
    if (url.IsHttps()) return url;
  } catch (Error const&) {
    // None, then.
  }
  return std::nullopt;
}

std::string OriginOf(Url const& url) { return "https://" + url.HostHeader(); }

/// "." and "..", of which each dot may be written "%2e".
bool IsDotSegment(std::string_view segment) noexcept {
  int dots = 0;
  while (!segment.empty()) {
    bool const encoded = EqualsIgnoreCase(segment.substr(0, 3), "%2e");
    if (!encoded && segment.front() != '.') return false;
    segment.remove_prefix(encoded ? 3 : 1);
    ++dots;
  }
  return dots == 1 || dots == 2;
}

bool HasDotSegment(std::string_view path) noexcept {
  while (!path.empty()) {
    path.remove_prefix(1);  // '/'
    auto const segment = path.substr(0, path.find('/'));
    if (IsDotSegment(segment)) return true;
    path.remove_prefix(segment.size());
  }
  return false;
}

}  // namespace

std::optional<std::string> ToHttpsOrigin(std::string_view text) {
  auto const url = ParseHttps(text);
  return url ? std::make_optional(OriginOf(*url)) : std::nullopt;
}

std::optional<std::string> ToHttpsEndpoint(std::string_view text) {
  auto const url = ParseHttps(text);
  if (!url || HasDotSegment(url->Path())) return std::nullopt;
  return OriginOf(*url) + std::string{url->Path()};
}

}  // namespace mtlspop
