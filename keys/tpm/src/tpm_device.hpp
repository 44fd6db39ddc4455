#pragma once

/// @file
/// A TPM, one command after the other.

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include <tss2/tss2_esys.h>
#include <tss2/tss2_tctildr.h>

#include "mtlspop/base/per_process.hpp"
#include "mtlspop/tpm/tpm_key.hpp"
#include "mtlspop/transport/error.hpp"

namespace mtlspop::tpm {

/// Says what the TPM said.
Error TpmFailure(ErrorCode code, std::string const& what, TSS2_RC reason);

/// Whether the TPM has refused an authorization.
bool IsAboutAuthorization(TSS2_RC reason) noexcept;

/// An authorization as the TPM library wants it; overwritten when it ends.
class Authorization final {
 public:
  /// @param secret of 64 bytes at the most, as `Device` sees to
  explicit Authorization(Secret const& secret) noexcept;
  ~Authorization();
  Authorization(Authorization const&) = delete;
  Authorization& operator=(Authorization const&) = delete;

  TPM2B_AUTH const* Get() const noexcept { return &value_; }

 private:
  TPM2B_AUTH value_{};
};

/// Overwrites what the TPM library keeps for `object`, which it frees as it is.
void ForgetAuthorization(ESYS_CONTEXT* esys, ESYS_TR object) noexcept;

/// A key as it is outside of the TPM: where it is, or sealed.
struct KeyMaterial {
  /// Tells keys that are in use apart; no two have the same.
  std::uint64_t Id = 0;
  /// Not 0 where it is persistent; then nothing of the rest but `Public`.
  TPM2_HANDLE Persistent = 0;
  TPM2_HANDLE Parent = 0;
  TPM2B_PUBLIC Public{};
  TPM2B_PRIVATE Private{};
};

/// Esys_Free for what ESAPI allocates.
struct EsysDeleter {
  void operator()(void* memory) const noexcept { Esys_Free(memory); }
};
template <class T>
using EsysPtr = std::unique_ptr<T, EsysDeleter>;

/// An open connection. Objects that were loaded in it are known to it alone.
///
/// Thread safety: one thread at a time.
class Connection final {
 public:
  /// @throw Error `key_unavailable`
  explicit Connection(std::string const& tcti);
  ~Connection();
  Connection(Connection const&) = delete;
  Connection& operator=(Connection const&) = delete;

  ESYS_CONTEXT* Get() const noexcept { return esys_; }
  /// The key's object. The last one stays loaded.
  /// @throw Error `key_unavailable`; `cancelled`, `deadline_exceeded` where it is the context that ends while another thread
  /// shows the parent key an authorization
  ESYS_TR Load(KeyMaterial const& key, TpmOptions const& options, Context const& context);
  /// The object that new keys are made under, and sealed ones loaded. To be flushed by `Unload`.
  ESYS_TR LoadParent(TPM2_HANDLE parent, TpmOptions const& options);
  void Unload(ESYS_TR object, bool persistent) noexcept;
  /// Lets go of the key that stays loaded.
  void UnloadAll() noexcept;

 private:
  ESYS_TR LoadSealed(KeyMaterial const& key, TpmOptions const& options, Context const& context);

  TSS2_TCTI_CONTEXT* tcti_ = nullptr;
  ESYS_CONTEXT* esys_ = nullptr;
  std::uint64_t loadedId_ = 0;
  bool loadedIsPersistent_ = false;
  ESYS_TR loaded_ = ESYS_TR_NONE;
};

/// Thread safety: all members may be called from any thread, also in a child of fork(), which has a connection of its own.
class Device final {
 public:
  /// @throw Error `invalid_argument` where an authorization is too long for any TPM
  explicit Device(TpmOptions options);
  ~Device();
  Device(Device const&) = delete;
  Device& operator=(Device const&) = delete;

  TpmOptions const& Options() const noexcept { return options_; }
  /// Whether it looks as if there were a TPM that this process may use. Asks the file system at the most.
  bool IsThere() const noexcept;
  /// Waits for its turn and runs `action`. After a `Lost` the connection is made anew. What throws one that may be retried is run
  /// once more over it, where the old one had been used before.
  /// @throw Error `cancelled`, `deadline_exceeded` where it is the context that ends; `key_unavailable`
  void Run(Context const& context, std::function<void(Connection&)> const& action);

  /// Thrown by an action whose connection is of no use any more.
  struct Lost {
    bool MayBeRetried;
    /// What it is for whoever asked.
    Error Failure;
  };
  /// @param mayBeRetried false where an authorization may have reached the TPM of which nobody knows whether it is right
  /// @throw Lost where the connection is gone or in disorder; Error with `code` where the TPM refused
  static void Check(TSS2_RC reason, ErrorCode code, char const* what, bool mayBeRetried = true);

 private:
  struct State {
    /// A child of fork() has a connection of its own; the parent's is left to the parent.
    explicit State(State* /*parents*/) {}
    std::mutex Mutex;
    std::condition_variable Changed;
    bool Busy = false;
    unsigned Waiting = 0;
    std::unique_ptr<Connection> Open;
  };
  class Turn;

  void RunOnce(State& state, std::function<void(Connection&)> const& action);

  TpmOptions const options_;
  std::string const tcti_;
  bool const isManaged_;
  PerProcess<State> state_;
};

}  // namespace mtlspop::tpm
