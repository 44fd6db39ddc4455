#include "control_guard.hpp"

#include <algorithm>

#include "http_message.hpp"

namespace mtlspop_emulator {
namespace {

std::size_t CountOf(Request const& request, std::string_view name) {
  return static_cast<std::size_t>(std::count_if(
      request.Headers.begin(), request.Headers.end(),
      [&](Header const& header) { return EqualsIgnoringCase(header.Name, name); }));
}

// A link on a page elsewhere, or a terminal in a browser, may open the page itself: whoever does cannot read it.
bool OpensThePage(Request const& request) {
  return request.Method == "GET" && request.Path == "/" && request.Find("Sec-Fetch-Mode") == "navigate" &&
         request.Find("Sec-Fetch-Dest") == "document";
}

}  // namespace

ControlGuard::ControlGuard(std::string const& authority) {
  auto const colon = authority.rfind(':');
  auto const port = authority.substr(colon);
  for (auto const& name :
       {authority.substr(0, colon), std::string("127.0.0.1"), std::string("[::1]"), std::string("localhost")}) {
    _hosts.push_back(name + port);
    if (port == ":80") {
      _hosts.push_back(name);
    }
  }
}

bool ControlGuard::IsOurs(std::string_view host) const {
  return std::any_of(
      _hosts.begin(), _hosts.end(), [&](std::string const& ours) { return EqualsIgnoringCase(ours, host); });
}

std::string ControlGuard::ReasonToRefuse(Request const& request) const {
  auto const host = request.Find("Host");
  if (CountOf(request, "Host") != 1 || !IsOurs(host)) {
    return "Control calls name this machine as their host: " + _hosts.front();
  }
  if (OpensThePage(request)) {
    return {};
  }
  bool const named = request.Has("Origin");
  if (CountOf(request, "Origin") > 1 || (named && request.Find("Origin") != "http://" + std::string(host))) {
    return "Control calls are not for web pages of other origins (Origin)";
  }
  auto const site = request.Find("Sec-Fetch-Site");
  if (!site.empty() && site != "same-origin" && site != "none") {
    return "Control calls are not for web pages of other origins (Sec-Fetch-Site)";
  }
  return {};
}

}  // namespace mtlspop_emulator
