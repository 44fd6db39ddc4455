#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <shared_mutex>
#include <string>
#include <unordered_map>

#include "mtlspop/credential/token_credential.hpp"

namespace mtlspop::azure {

/// Random texts that stand for what tokens of one credential are asked for with. Azure's pipelines hold them in place of
/// tokens, and nobody else takes them.
///
/// Thread safety: all members may be called from any thread at any time.
class TokenHandles final {
 public:
  /// Resources name tenants, and may name many. The oldest is forgotten for a new one; a pipeline that still holds it fails
  /// closed.
  static constexpr std::size_t MaximumHandles = 4096;

  /// The text for `request`: scopes and tenant, the rest is of no account. The same one each time.
  std::string For(TokenRequest const& request);
  /// What `handle` stands for, null for a text that is none of these.
  std::shared_ptr<TokenRequest const> Find(std::string const& handle) const;

  /// Whether the text is in the form of a handle, of this credential or another one.
  static bool IsHandle(std::string const& text) noexcept;

 private:
  struct Entry {
    std::string Key;
    std::shared_ptr<TokenRequest const> Request;
    std::uint64_t Number;
  };
  void ForgetOldest();

  mutable std::shared_mutex mutex_;
  std::unordered_map<std::string, Entry> byHandle_;
  std::unordered_map<std::string, std::string> byKey_;
  std::uint64_t made_ = 0;
};

}  // namespace mtlspop::azure
