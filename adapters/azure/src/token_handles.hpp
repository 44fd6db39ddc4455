#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <shared_mutex>
#include <string>
#include <unordered_map>

#include "mtlspop/base/per_process.hpp"
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
  /// @throw Error `system_failure` where the system has no random numbers to give
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
  struct State {
    /// A child of fork() has its parent's, which the parent's pipelines hold there; none where a thread of the parent made
    /// one just then.
    explicit State(State* parents);
    void ForgetOldest();

    std::shared_mutex Mutex;
    std::unordered_map<std::string, Entry> ByHandle;
    std::unordered_map<std::string, std::string> ByKey;
    std::uint64_t Made = 0;
  };

  PerProcess<State> state_;
};

}  // namespace mtlspop::azure
