#include "named_mutex.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include <sddl.h>

#include <gsl/util>

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

std::wstring SidOf(HANDLE token) {
  DWORD bytes = 0;
  GetTokenInformation(token, TokenUser, nullptr, 0, &bytes);
  std::vector<TOKEN_USER> user(bytes / sizeof(TOKEN_USER) + 1);
  wchar_t* text = nullptr;
  if (GetTokenInformation(token, TokenUser, user.data(), bytes, &bytes) == FALSE ||
      ConvertSidToStringSidW(user.front().User.Sid, &text) == FALSE) {
    return {};
  }
  auto const free = gsl::finally([&] { LocalFree(text); });
  return text;
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
    auto const free = gsl::finally([&] { LocalFree(descriptor); });
    SECURITY_ATTRIBUTES attributes{sizeof attributes, descriptor, FALSE};
    return CreateMutexW(&attributes, FALSE, name);
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

}  // namespace

std::unique_ptr<HeldMutex> HoldMutex(
    std::shared_ptr<MutexFunctions> const& functions,
    std::string const& purpose,
    Milliseconds wait,
    Context const& context) {
  auto const user = functions->CurrentUser();
  if (user.empty()) {
    return nullptr;
  }
  auto const name = L"Global\\mtlspop-" + user + L"-" + std::wstring{purpose.begin(), purpose.end()};
  // Protected: nothing is inherited. All access for the user and for the system, none for anybody else.
  auto const security = L"D:P(A;;GA;;;" + user + L")(A;;GA;;;SY)";
  auto* const mutex = functions->OpenNamedMutex(name.c_str(), security.c_str());
  if (mutex == nullptr) {
    return nullptr;
  }
  bool isHeld = false;
  auto const close = gsl::finally([&] {
    if (!isHeld) {
      functions->CloseHandle(mutex);
    }
  });
  isHeld = WaitFor(*functions, mutex, wait, context);
  return isHeld ? std::make_unique<HeldMutex>(functions, mutex) : nullptr;
}

std::shared_ptr<MutexFunctions> SystemMutexes() { return std::make_shared<System>(); }

}  // namespace mtlspop::windows
