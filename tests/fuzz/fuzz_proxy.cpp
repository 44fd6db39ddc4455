// The proxy variables of an environment that somebody else wrote: a line each for https_proxy, http_proxy, all_proxy and
// no_proxy, then the URLs that are asked for.

#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/proxy_selection.hpp"
#include "mtlspop/transport/url.hpp"

namespace {

void Require(bool good) {
  if (!good) std::abort();
}

std::vector<std::string> Lines(std::string_view text) {
  std::vector<std::string> lines;
  for (;;) {
    auto const end = text.find('\n');
    lines.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return lines;
    text.remove_prefix(end + 1);
  }
}

void Ask(mtlspop::ProxySelection const& selection, std::string const& url) {
  try {
    auto const* const proxy = selection.For(mtlspop::Url::Parse(url).GetOrigin());
    if (proxy == nullptr) return;
    Require(!proxy->Address.Host.empty() && proxy->Address.Port != 0);
    Require(proxy->Authorization.Reveal().find_first_of("\r\n") == std::string::npos);
  } catch (mtlspop::Error const& error) {
    Require(error.Code() == mtlspop::errors::InvalidArgument);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  auto const lines = Lines({reinterpret_cast<char const*>(data), size});
  std::map<std::string, std::string> variables;
  std::size_t next = 0;
  for (auto const* name : {"https_proxy", "http_proxy", "all_proxy", "no_proxy"}) {
    if (next < lines.size() && !lines[next].empty()) variables[name] = lines[next];
    ++next;
  }
  try {
    mtlspop::ProxySelection const selection{mtlspop::ProxyOptions{}, [&](char const* name) -> char const* {
                                              auto const found = variables.find(name);
                                              return found != variables.end() ? found->second.c_str() : nullptr;
                                            }};
    for (; next < lines.size(); ++next) Ask(selection, lines[next]);
    Ask(selection, "https://vault.example/");
    Ask(selection, "http://169.254.169.254/");
    Ask(selection, "https://[::1]:8443/");
  } catch (mtlspop::Error const& error) {
    Require(error.Code() == mtlspop::errors::InvalidArgument);
  }
  return 0;
}
