#pragma once

/// @file
/// What the calls of one client have learned about the resources that they went to.

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>

#include "mtlspop/export.hpp"
#include "mtlspop/transport/context.hpp"
#include "mtlspop/transport/url.hpp"

namespace mtlspop {

/// How long what was learned of a resource holds, and what a resource may cost in tokens.
struct ResourceMemoryOptions {
  /// How long an origin that refused a bound token, and took a bearer token instead, is sent bearer tokens without being
  /// tried again; shortened by a random factor from 0.8 to 1. At least 0.
  std::chrono::milliseconds BearerOnlyLifetime = std::chrono::minutes{15};
  /// How many extra token requests the answers of one origin may cause in `ExtraTokensWindow`, for each of: claims
  /// challenges, tokens called invalid, tokens for another scope or tenant. Beyond that an answer is handed on, unless the
  /// credential has another token already. At least 0.
  int ExtraTokens = 3;
  /// The time in which `ExtraTokens` are counted, lengthened by a random factor from 1 to 1.25: a resource that refuses
  /// a fleet's tokens does it at one moment, and the next ones are not to be asked for at one moment. At least 0.
  std::chrono::milliseconds ExtraTokensWindow = std::chrono::minutes{5};
  /// Numbers from 0 up to, not including, 1; called from any thread. Empty for the system's.
  std::function<double()> Random;
};

class KnownResource;

/// What is known of the origins that a client has met, at most `MaximumOrigins` of them: which tokens they want, which kind
/// they take, how many extra token requests they have caused. It does no I/O.
///
/// Thread safety: all members may be called from any thread at any time.
class MTLSPOP_EXPORT ResourceMemory final {
 public:
  /// How many origins are remembered. One more takes the place of the one that was met first.
  static constexpr std::size_t MaximumOrigins = 256;

  /// @throw Error `invalid_argument` for options out of range
  explicit ResourceMemory(ResourceMemoryOptions options = {});
  ~ResourceMemory();
  ResourceMemory(ResourceMemory const&) = delete;
  ResourceMemory& operator=(ResourceMemory const&) = delete;

  /// What is known of `origin`; a new entry, kept, for one not met before.
  std::shared_ptr<KnownResource> Of(Origin const& origin);
  /// The same, null for one not met before.
  std::shared_ptr<KnownResource> Find(Origin const& origin) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mtlspop
