#pragma once

/// @file
/// Looking for pieces of secrets in what was written.

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace mtlspop::test {

/// Finds any piece of `PieceSize` characters of any secret, wherever in the secret it stands: who writes a part of a token
/// writes a token.
///
/// Thread safety: as a standard container.
class SecretSearch final {
 public:
  /// Shorter than half of a token's signature; long enough that words do not count.
  static constexpr std::size_t PieceSize = 16;

  void Add(std::string kind, std::string const& secret) {
    for (std::size_t i = 0; i + PieceSize <= secret.size(); ++i) pieces_.emplace(secret.substr(i, PieceSize), kind);
    ++counts_[std::move(kind)];
  }

  /// The kinds that `text` holds a piece of.
  std::set<std::string> KindsIn(std::string_view text) const {
    std::set<std::string> kinds;
    for (std::size_t i = 0; i + PieceSize <= text.size(); ++i) {
      if (auto const found = pieces_.find(text.substr(i, PieceSize)); found != pieces_.end())
        kinds.insert(found->second);
    }
    return kinds;
  }

  /// How many secrets of a kind are looked for.
  int Count(std::string const& kind) const { return counts_.count(kind) == 0 ? 0 : counts_.at(kind); }

 private:
  std::map<std::string, std::string, std::less<>> pieces_;
  std::map<std::string, int> counts_;
};

}  // namespace mtlspop::test
