#pragma once

/// @file
/// Mutexes that keep the processes of one user apart, in whatever sessions they run.

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <windows.h>

#include "mtlspop/transport/context.hpp"

namespace mtlspop::windows {

/// The functions behind a named mutex, as an interface, so that tests can be another process that holds it, or one that
/// died.
///
/// Thread safety: all members may be called from any thread at any time.
class MutexFunctions {
 public:
  virtual ~MutexFunctions() = default;

  /// The SID ("S-1-5-...") of the user that this thread acts for; "" where Windows does not say.
  virtual std::wstring CurrentUser() = 0;
  /// CreateMutexW, with the access that `security` names in the security descriptor definition language; null where that
  /// fails, and GetLastError() says why.
  virtual HANDLE OpenNamedMutex(wchar_t const* name, wchar_t const* security) = 0;
  /// The SID of whom the mutex belongs to, who is not who holds it; "" where Windows does not say.
  virtual std::wstring OwnerOf(HANDLE mutex) = 0;
  /// WaitForSingleObject.
  virtual DWORD Wait(HANDLE mutex, DWORD milliseconds) = 0;
  virtual void ReleaseMutex(HANDLE mutex) = 0;
  virtual void CloseHandle(HANDLE handle) = 0;
};

/// Windows' own.
std::shared_ptr<MutexFunctions> SystemMutexes();

/// A mutex that is held. A thread owns a Windows mutex: it has to be the one that lets go of it, and gets it again as
/// often as it asks.
class HeldMutex final {
 public:
  /// Takes `mutex`, which this thread owns, over.
  HeldMutex(std::shared_ptr<MutexFunctions> functions, HANDLE mutex) noexcept
      : functions_(std::move(functions)), mutex_(mutex) {}
  HeldMutex(HeldMutex&& other) noexcept : functions_(std::move(other.functions_)), mutex_(other.mutex_) {}
  HeldMutex& operator=(HeldMutex&&) = delete;
  ~HeldMutex() {
    if (functions_) {
      functions_->ReleaseMutex(mutex_);
      functions_->CloseHandle(mutex_);
    }
  }

 private:
  std::shared_ptr<MutexFunctions> functions_;
  HANDLE mutex_;
};

/// What became of asking for a mutex.
struct MutexAttempt {
  /// None where it cannot be had.
  std::optional<HeldMutex> Held;
  /// And then: why not, as a part of a sentence.
  std::string WhyNot;
};

/// The mutex "Global\mtlspop-{SID of the user}-{purpose}", into which only this user and the system are let, if it can be
/// had within `wait`. One whose owner died is taken over.
///
/// Any account of the machine can work the name out, make something of this name first and keep it; `WhyNot` says whose it
/// is where Windows does. A private namespace would prevent it; Wine has none, so that it could not be tested here.
/// @param purpose letters, digits, '-' and '_'
/// @throw Error `cancelled` or `deadline_exceeded` where `context` ends first
MutexAttempt HoldMutex(
    std::shared_ptr<MutexFunctions> const& functions,
    std::string const& purpose,
    std::chrono::milliseconds wait,
    Context const& context);

}  // namespace mtlspop::windows
