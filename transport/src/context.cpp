#include "mtlspop/transport/context.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "context_ended.hpp"
#include "mtlspop/base/per_process.hpp"
#include "mtlspop/transport/error.hpp"

namespace mtlspop {
namespace {

constexpr std::chrono::milliseconds ProbeInterval{20};

constexpr char const* TookTooLong = " took longer than the caller's deadline allows";

Error TooLate(std::string what) {
  ErrorDetails details{
      errors::DeadlineExceeded, std::move(what),
      "Check whether the other side is slow or out of reach, or allow more time"};
  details.Transient = true;
  return Error{std::move(details)};
}

}  // namespace

/// One registered callback. It sits in the lists of every cancellable context above it; whichever is cancelled first
/// runs it.
struct CancellationRegistration::Entry {
  explicit Entry(std::function<void()> callback) : Callback(std::move(callback)) {}

  void Run() {
    std::unique_lock<std::mutex> lock{Mutex};
    if (Done) {
      return;
    }
    Done = true;
    // The lock is held while the callback runs: that is what makes `Close` wait for it.
    Callback();
  }

  void Close() {
    std::lock_guard<std::mutex> const lock{Mutex};
    Done = true;
  }

  std::mutex Mutex;
  bool Done = false;
  std::function<void()> Callback;
};

struct Context::Registrations {
  /// None of those who wait in the parent are in a child of fork().
  explicit Registrations(Registrations* /*parents*/) noexcept {}

  std::mutex Mutex;
  std::vector<std::weak_ptr<CancellationRegistration::Entry>> Entries;
  /// How many were left when those of finished waits last went.
  std::size_t Kept = 0;
};

struct Context::State {
  std::shared_ptr<State> Parent;
  bool HasCancel = false;
  std::atomic<bool> Cancelled{false};
  std::function<bool()> Probe;
  PerProcess<Registrations> Registered;
};

CancellationRegistration::CancellationRegistration() noexcept = default;
CancellationRegistration::CancellationRegistration(CancellationRegistration&&) noexcept = default;
CancellationRegistration::CancellationRegistration(std::shared_ptr<Entry> entry) noexcept : entry_(std::move(entry)) {}

CancellationRegistration& CancellationRegistration::operator=(CancellationRegistration&& other) noexcept {
  if (this != &other) {
    if (entry_) {
      entry_->Close();
    }
    entry_ = std::move(other.entry_);
  }
  return *this;
}

CancellationRegistration::~CancellationRegistration() {
  if (entry_) {
    entry_->Close();
  }
}

Context::Context(std::shared_ptr<State> state, TimePoint deadline, bool notifies, bool probed) noexcept
    : state_(std::move(state)), deadline_(deadline), notifies_(notifies), probed_(probed) {}

Context Context::WithDeadline(TimePoint deadline) const {
  return Context{state_, std::min(deadline_, deadline), notifies_, probed_};
}

Context Context::WithTimeout(Clock::duration timeout) const {
  auto const now = Clock::now();
  bool const overflows = timeout > TimePoint::max() - now;
  return WithDeadline(overflows ? TimePoint::max() : now + timeout);
}

Context Context::WithCancellation() const {
  auto state = std::make_shared<State>();
  state->Parent = state_;
  state->HasCancel = true;
  return Context{std::move(state), deadline_, true, probed_};
}

Context Context::WithCancellationProbe(std::function<bool()> isCancelled) const {
  auto state = std::make_shared<State>();
  state->Parent = state_;
  state->Probe = std::move(isCancelled);
  return Context{std::move(state), deadline_, notifies_, true};
}

void Context::Cancel() const {
  if (!state_ || !state_->HasCancel) {
    throw std::logic_error("mtlspop::Context::Cancel: the context was not made by WithCancellation()");
  }
  std::vector<std::weak_ptr<CancellationRegistration::Entry>> entries;
  {
    auto& registered = state_->Registered.Get();
    std::lock_guard<std::mutex> const lock{registered.Mutex};
    state_->Cancelled.store(true, std::memory_order_release);
    entries.swap(registered.Entries);
    registered.Kept = 0;
  }
  for (auto const& weak : entries) {
    if (auto const entry = weak.lock()) {
      entry->Run();
    }
  }
}

bool Context::IsCancelled() const noexcept {
  for (State const* state = state_.get(); state != nullptr; state = state->Parent.get()) {
    if (state->Cancelled.load(std::memory_order_acquire) || (state->Probe && state->Probe())) {
      return true;
    }
  }
  return false;
}

Context::TimePoint Context::Deadline() const noexcept { return deadline_; }

bool Context::IsExpired() const noexcept { return deadline_ != TimePoint::max() && Clock::now() >= deadline_; }

std::optional<std::chrono::milliseconds> Context::PollInterval() const noexcept {
  return probed_ ? std::make_optional(ProbeInterval) : std::nullopt;
}

Error Cancelled(char const* what) {
  return Error{ErrorDetails{
      errors::Cancelled, std::string{what} + " was cancelled by the caller",
      "Nothing has to be done if the cancellation was meant"}};
}

void Context::ThrowIfEnded(char const* what) const {
  if (IsCancelled()) {
    throw Cancelled(what);
  }
  if (IsExpired()) {
    throw TooLate(std::string{what} + TookTooLong);
  }
}

void ThrowIfEnded(Context const& context, char const* what, std::string_view host, Context::TimePoint since) {
  if (context.IsCancelled()) {
    throw Cancelled(what);
  }
  if (context.IsExpired()) {
    auto const waited = std::chrono::duration_cast<std::chrono::milliseconds>(Context::Clock::now() - since);
    throw TooLate(
        std::string{host} + ": " + what + TookTooLong + ", and was given up after " + std::to_string(waited.count()) +
        " ms");
  }
}

CancellationRegistration Context::OnCancelled(std::function<void()> callback) const {
  if (!NotifiesOfCancellation()) {
    return {};
  }
  auto entry = std::make_shared<CancellationRegistration::Entry>(std::move(callback));
  bool cancelled = false;
  for (State* state = state_.get(); state != nullptr; state = state->Parent.get()) {
    if (!state->HasCancel) {
      continue;
    }
    auto& registered = state->Registered.Get();
    std::lock_guard<std::mutex> const lock{registered.Mutex};
    cancelled = cancelled || state->Cancelled.load(std::memory_order_relaxed);
    auto& entries = registered.Entries;
    if (entries.size() >= 2 * registered.Kept + 8) {
      // Entries of finished waits go when the list has doubled, which keeps it as long as the waits under way. Not whenever it is
      // full: with as many under way as it has room for, each registration would go through all of it.
      entries.erase(
          std::remove_if(entries.begin(), entries.end(), [](auto const& weak) { return weak.expired(); }),
          entries.end());
      registered.Kept = entries.size();
    }
    entries.push_back(entry);
  }
  if (cancelled) {
    entry->Run();
  }
  return CancellationRegistration{std::move(entry)};
}

}  // namespace mtlspop
