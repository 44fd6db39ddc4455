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
};

/// Thread safety: all members may be called from any thread, also in a child of fork(), which opens the token anew.
class Token final {
 public:
  /// @throw Error `invalid_argument`
  explicit Token(Pkcs11Options options);

  Uri const& Name() const noexcept { return uri_; }

  enum class Access { Read, Write };
  /// Runs `action` with a session. What throws `Gone` is run once more with the token opened anew.
  /// @throw Error `cancelled`, `deadline_exceeded` where it is the context that ends while waiting for a session;
  /// `key_unavailable` where the token is not there or does not open; what `action` throws
  void Run(Context const& context, Access access, std::function<void(Session const&)> const& action);
  /// The object that `find` finds, remembered under `key` as long as the token is open.
  CK_OBJECT_HANDLE Remember(
      std::uint64_t key, Session const& session, std::function<CK_OBJECT_HANDLE(Session const&)> const& find);
  /// Enters the PIN for the operation that has just begun, as keys with CKA_ALWAYS_AUTHENTICATE want it.
  /// @throw Error `private_key_unusable`
  void AuthenticateOperation(Session const& session) const;

  /// Thrown by an action whose session, or token, is no longer there.
  struct Gone {
    CK_RV Reason;
  };
  /// @throw Gone, Error
  static void Check(CK_RV reason, ErrorCode code, char const* what);

 private:
  struct State {
    /// A child of fork() begins with a closed token.
    explicit State(State* /*parents*/) {}
    std::mutex Mutex;
    std::condition_variable Changed;
    bool IsOpen = false;
    /// Counts how often the token was opened.
    std::uint64_t Generation = 0;
    CK_FUNCTION_LIST* Module = nullptr;
    CK_SLOT_ID Slot = 0;
    std::string Serial;
    std::vector<CK_SESSION_HANDLE> Free;
    std::size_t Sessions = 0;
    std::map<std::uint64_t, CK_OBJECT_HANDLE> Objects;
    /// Null while the token is not open. Whoever has a session keeps them too.
    std::shared_ptr<Modules> Loaded;
  };
  class Lease;

  void RunOnce(State& state, Context const& context, Access access, std::function<void(Session const&)> const& action);
  void Open(State& state);
  void FindSlot(State& state) const;
  void LogIn(State& state, CK_SESSION_HANDLE session, CK_FLAGS tokenFlags) const;
  static void Close(State& state, std::uint64_t generation) noexcept;

  Pkcs11Options const options_;
  Uri const uri_;
  PerProcess<State> state_;
};

}  // namespace mtlspop::pkcs11
