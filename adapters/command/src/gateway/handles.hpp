#pragma once

/// @file
/// What programs hold in place of tokens.

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "mtlspop/credential/managed_identity_id.hpp"
#include "mtlspop/transport/secret.hpp"

namespace mtlspop::gateway {

/// What a handle stands for.
struct HandleGrant {
  /// As `NormalResource` gives it.
  std::string Resource;
  ManagedIdentityId Identity;
};

/// Random texts that are given out in place of tokens, and are of use to nobody but this gateway: they are exchanged for the
/// bound token of their resource where a request with one passes through it. Neither a token, nor a part of one, nor derived
/// from one. They end with this object.
///
/// A handle is known by the SHA-256 of its text, so that how long a look-up takes says nothing of the text.
///
/// Thread safety: all members may be called from any thread.
class Handles final {
 public:
  using TimePoint = std::chrono::system_clock::time_point;

  /// Every handle begins so, so that one is known wherever it turns up.
  static constexpr std::string_view Prefix = "mtlspop-handle-";
  /// How many different grants there may be at a time; who asks for more resources than that is not a program that works.
  static constexpr std::size_t MaximumGrants = 1024;

  struct Issued {
    Secret Handle;
    TimePoint ExpiresOn;
  };

  explicit Handles(std::chrono::seconds lifetime = std::chrono::hours{24}) : lifetime_(lifetime) {}

  /// A handle for `grant` that is good for at least half of a lifetime: the same as before where that one is.
  /// @return none where there are too many grants.
  /// @throw Error `system_failure` where there is no randomness to be had
  std::optional<Issued> Issue(HandleGrant const& grant, TimePoint now);

  /// What `handle` stands for; none for one that was not given out or has expired.
  std::optional<HandleGrant> Find(std::string_view handle, TimePoint now) const;

  /// Whether a handle, known or not, is part of `text`.
  static bool IsPartOf(std::string_view text) noexcept;

 private:
  using Digest = std::array<std::uint8_t, 32>;
  struct Entry {
    HandleGrant Grant;
    TimePoint ExpiresOn;
  };

  void DropExpired(TimePoint now);

  std::chrono::seconds const lifetime_;
  mutable std::mutex mutex_;
  std::map<Digest, Entry> entries_;
  std::map<std::string, Issued> current_;
};

}  // namespace mtlspop::gateway
