#pragma once

/// @file
/// A token with a pool of sessions.

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <p11-kit/p11-kit.h>

#include "modules.hpp"
#include "mtlspop/base/per_process.hpp"
#include "mtlspop/pkcs11/pkcs11_key.hpp"
#include "mtlspop/transport/error.hpp"
#include "uri.hpp"

namespace mtlspop::pkcs11 {

/// Says what the token said.
Error Failure(ErrorCode code, std::string const& what, CK_RV reason);

/// One session for one thread.
struct Session {
  CK_FUNCTION_LIST* Module;
  CK_SLOT_ID Slot;
  CK_SESSION_HANDLE Handle;
  /// Tells the token from all others.
  std::string Serial;
};

/// Thread safety: all members may be called from any thread, also in a child of fork(), which opens the token anew.
class Token final {
 public:
  /// What its sessions are opened for.
  enum class Access { Read, Write };

  /// @throw Error `invalid_argument`
  explicit Token(Pkcs11Options options, Access access = Access::Read);

  Uri const& Name() const noexcept { return uri_; }

  /// Runs `action` with a session. What throws `Gone` is run once more with the token opened anew. A session with which
  /// `action` fails is closed: an operation may still be active in it.
  /// @throw Error `cancelled`, `deadline_exceeded` where it is the context that ends while waiting for the token or a
  /// session; `key_unavailable` where the token is not there or does not open; what `action` throws
  void Run(Context const& context, std::function<void(Session const&)> const& action);
  /// The object that `find` finds, remembered under `key` as long as the token is open.
  CK_OBJECT_HANDLE Remember(
      std::uint64_t key, Session const& session, std::function<CK_OBJECT_HANDLE(Session const&)> const& find);
  /// Enters the PIN for the operation that has just begun, as keys with CKA_ALWAYS_AUTHENTICATE want it.
  /// @throw Error `private_key_unusable`, `key_unavailable`, `cancelled`, `deadline_exceeded`
  void AuthenticateOperation(Session const& session, Context const& context) const;

  /// Thrown by an action whose session, or token, is no longer there.
  struct Gone {
    CK_RV Reason;
  };
  /// @throw Gone where that is what `reason` says
  static void ThrowIfGone(CK_RV reason);
  /// @throw Gone, Error
  static void Check(CK_RV reason, ErrorCode code, char const* what);

 private:
  /// A token that is open. Whoever has a session keeps it, too.
  struct Opened {
    std::shared_ptr<Modules> Loaded;
    CK_FUNCTION_LIST* Module = nullptr;
    CK_SLOT_ID Slot = 0;
    std::string Serial;
  };
  struct State {
    /// A child of fork() begins with a closed token.
    explicit State(State* /*parents*/) {}
    std::mutex Mutex;
    std::condition_variable Changed;
    /// Somebody opens the token, without the lock. The others wait, each as long as its context lasts.
    bool IsOpening = false;
    /// Null while the token is not open.
    std::shared_ptr<Opened const> Current;
    /// With room for as many as there may be: giving one back allocates nothing.
    std::vector<CK_SESSION_HANDLE> Free;
    /// Sessions that are open, or are being opened or closed.
    std::size_t Sessions = 0;
    /// Those of them that are free or in use: with the last one the token would be logged out.
    std::size_t Sound = 0;
    /// How many there may be: what the options say and the token allows.
    std::size_t Limit = 0;
    std::map<std::uint64_t, CK_OBJECT_HANDLE> Objects;
  };
  /// A session of the pool, and what keeps it open.
  struct Lease {
    std::shared_ptr<Opened const> Of;
    Session Use;
  };

  void RunOnce(State& state, Context const& context, std::function<void(Session const&)> const& action);
  Lease Take(State& state, Context const& context);
  static void Return(State& state, Lease const& lease) noexcept;
  /// Closes a session whose use failed. False where the token was closed meanwhile.
  static bool Discard(State& state, Lease const& lease) noexcept;
  static void Close(State& state, std::shared_ptr<Opened const> const& opened) noexcept;

  void OpenInTurn(State& state, std::unique_lock<std::mutex>& lock, Context const& context);
  std::pair<std::shared_ptr<Opened const>, CK_SESSION_HANDLE> Open(Context const& context) const;
  CK_RV OpenSession(Session& session) const;
  std::size_t LimitOf(Session const& session) const;
  void FindSlot(Opened& opened) const;
  /// Logs in with the PIN, or has the token's pad ask for it; does nothing where there is neither. A PIN that the token has
  /// refused is not shown again, and none is where a wrong one would lock the token.
  CK_RV ShowPin(Session const& session, CK_USER_TYPE user, Context const& context) const;

  Pkcs11Options const options_;
  Access const access_;
  Uri const uri_;
  PerProcess<State> state_;
};

}  // namespace mtlspop::pkcs11
