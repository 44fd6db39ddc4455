#include "named_mutex.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include <sddl.h>

#include <gsl/util>

#include "mtlspop/base/windows/wide_text.hpp"

namespace mtlspop::windows {
namespace {

using Milliseconds = std::chrono::milliseconds;

/// A wait for a mutex cannot be woken: it looks this often whether its caller still wants it.
constexpr Milliseconds LookForCancellation{50};

/// The token of the user whose profile keys and certificates come from: that of an impersonating thread is its own.
HANDLE OpenEffectiveToken() {
  HANDLE token = nullptr;
  if (OpenThreadToken(GetCurrentThread(), TOKEN_QUERY, TRUE, &token) != FALSE ||
      OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token) != FALSE) {
    return token;
  }
  return nullptr;
}

std::wstring ToText(PSID sid) {
  wchar_t* text = nullptr;
  if (sid == nullptr || ConvertSidToStringSidW(sid, &text) == FALSE) {
    return {};
  }
  auto const freeText = gsl::finally([&] { LocalFree(text); });
  return text;
}

std::wstring SidOf(HANDLE token) {
  DWORD bytes = 0;
  GetTokenInformation(token, TokenUser, nullptr, 0, &bytes);
  std::vector<TOKEN_USER> user(bytes / sizeof(TOKEN_USER) + 1);
  return GetTokenInformation(token, TokenUser, user.data(), bytes, &bytes) == FALSE ? std::wstring{}
                                                                                    : ToText(user.front().User.Sid);
}

class System final : public MutexFunctions {
 public:
  std::wstring CurrentUser() override {
    auto* const token = OpenEffectiveToken();
    if (token == nullptr) {
      return {};
    }
    auto const close = gsl::finally([&] { ::CloseHandle(token); });
    return SidOf(token);
  }

  HANDLE OpenNamedMutex(wchar_t const* name, wchar_t const* security) override {
    PSECURITY_DESCRIPTOR descriptor = nullptr;
    if (ConvertStringSecurityDescriptorToSecurityDescriptorW(security, SDDL_REVISION_1, &descriptor, nullptr) ==
        FALSE) {
      return nullptr;
    }
    SECURITY_ATTRIBUTES attributes{sizeof attributes, descriptor, FALSE};
    auto* const mutex = CreateMutexW(&attributes, FALSE, name);
    auto const error = GetLastError();
    LocalFree(descriptor);
    SetLastError(error);
    return mutex;
  }

  std::wstring OwnerOf(HANDLE mutex) override {
    DWORD bytes = 0;
    GetKernelObjectSecurity(mutex, OWNER_SECURITY_INFORMATION, nullptr, 0, &bytes);
    std::vector<SECURITY_DESCRIPTOR> descriptor(bytes / sizeof(SECURITY_DESCRIPTOR) + 1);
    PSID owner = nullptr;
    BOOL isDefault = FALSE;
    if (GetKernelObjectSecurity(mutex, OWNER_SECURITY_INFORMATION, descriptor.data(), bytes, &bytes) == FALSE ||
        GetSecurityDescriptorOwner(descriptor.data(), &owner, &isDefault) == FALSE) {
      return {};
    }
    return ToText(owner);
  }

  DWORD Wait(HANDLE mutex, DWORD milliseconds) override { return WaitForSingleObject(mutex, milliseconds); }
  void ReleaseMutex(HANDLE mutex) override { ::ReleaseMutex(mutex); }
  void CloseHandle(HANDLE handle) override { ::CloseHandle(handle); }
};

/// Whether this thread owns the mutex now.
bool WaitFor(MutexFunctions& functions, HANDLE mutex, Milliseconds wait, Context const& context) {
  auto left = wait;
  if (context.Deadline() != Context::TimePoint::max()) {
    left = std::min(
        left, std::chrono::duration_cast<Milliseconds>(context.Deadline() - Context::Clock::now()) + Milliseconds{1});
  }
  left = std::max(left, Milliseconds{0});
  for (;;) {
    auto const step = context.CanBeCancelled() ? std::min(left, LookForCancellation) : left;
    auto const result = functions.Wait(mutex, static_cast<DWORD>(step.count()));
    // Abandoned: its owner died while it held it. Whatever was left behind is checked when it is read.
    if (result == WAIT_OBJECT_0 || result == WAIT_ABANDONED) {
      return true;
    }
    context.ThrowIfEnded("Waiting for another process");
    left -= step;
    if (result != WAIT_TIMEOUT || left <= Milliseconds{0}) {
      return false;
    }
  }
}

std::string WhyNotOpen(std::wstring const& name, DWORD error) {
  if (error == ERROR_ACCESS_DENIED || error == ERROR_INVALID_HANDLE) {
    return "something that this user may not use has the name " + NarrowAscii(name) +
           ": another account or program made it, and nothing is done until it is gone";
  }
  return "the mutex " + NarrowAscii(name) + " cannot be made (error " + std::to_string(error) + ")";
}

/// The name says which user this is. Whether an owner that is not the same SID is another account is for people to judge:
/// what an administrator makes may belong to all of them.
std::string WhyNotFree(std::wstring const& name, std::wstring const& owner) {
  return "another process is at it, or keeps the mutex " + NarrowAscii(name) +
         (owner.empty() ? "" : ", which belongs to " + NarrowAscii(owner));
}

}  // namespace

MutexAttempt HoldMutex(
    std::shared_ptr<MutexFunctions> const& functions,
    std::string const& purpose,
    Milliseconds wait,
    Context const& context) {
  auto const user = functions->CurrentUser();
  if (user.empty()) {
    return {std::nullopt, "Windows does not say which user this is"};
  }
  auto const name = L"Global\\mtlspop-" + user + L"-" + std::wstring{purpose.begin(), purpose.end()};
  // Protected: nothing is inherited. All access for the user and for the system, none for anybody else.
  auto const security = L"D:P(A;;GA;;;" + user + L")(A;;GA;;;SY)";
  auto* const mutex = functions->OpenNamedMutex(name.c_str(), security.c_str());
  if (mutex == nullptr) {
    return {std::nullopt, WhyNotOpen(name, GetLastError())};
  }
  bool isHeld = false;
  auto const close = gsl::finally([&] {
    if (!isHeld) {
      functions->CloseHandle(mutex);
    }
  });
  isHeld = WaitFor(*functions, mutex, wait, context);
  if (isHeld) {
    return {HeldMutex{functions, mutex}, {}};
  }
  return {std::nullopt, WhyNotFree(name, functions->OwnerOf(mutex))};
}

std::shared_ptr<MutexFunctions> SystemMutexes() { return std::make_shared<System>(); }

}  // namespace mtlspop::windows
