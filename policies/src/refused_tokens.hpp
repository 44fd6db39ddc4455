#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "mtlspop/credential/access_token.hpp"

namespace mtlspop {

/// The last tokens that a resource refused, to one call or to all, at most `Most` of them.
class RefusedTokens final {
 public:
  static constexpr std::size_t Most = 16;

  void Add(AccessToken const& token) {
    if (Holds(token)) return;
    if (texts_.size() == Most) texts_.erase(texts_.begin());
    texts_.push_back(token.Token);
  }

  bool Holds(AccessToken const& token) const noexcept {
    return std::find(texts_.begin(), texts_.end(), token.Token) != texts_.end();
  }

 private:
  std::vector<Secret> texts_;
};

}  // namespace mtlspop
