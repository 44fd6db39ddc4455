// Keeps web pages out of the control calls: a browser on this machine could reach them for any page it shows.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mtlspop_emulator {

struct Request;

class ControlGuard {
 public:
  // `authority` is the address:port that the emulator listens on.
  explicit ControlGuard(std::string const& authority);

  // Why the request is refused, or empty. It has to name this very machine and port as its host, so that no name of a
  // page's own leads here (DNS rebinding), and it must not come from a page of another origin.
  std::string ReasonToRefuse(Request const& request) const;

 private:
  bool IsOurs(std::string_view host) const;

  std::vector<std::string> _hosts;
};

}  // namespace mtlspop_emulator
