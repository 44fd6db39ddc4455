#pragma once

/// @file
/// Keeps operations of private keys that may take their time off threads that have none.

namespace mtlspop::openssl {

/// While it lives, a TLS channel on this thread asks for another one (`IoStatus::WantKey`) before it uses a key that is
/// not in memory.
class NoSlowKeys final {
 public:
  NoSlowKeys() noexcept { isHere_ = true; }
  ~NoSlowKeys() { isHere_ = false; }
  NoSlowKeys(NoSlowKeys const&) = delete;
  NoSlowKeys& operator=(NoSlowKeys const&) = delete;

  static bool IsHere() noexcept { return isHere_; }

 private:
  static inline thread_local bool isHere_ = false;
};

}  // namespace mtlspop::openssl
