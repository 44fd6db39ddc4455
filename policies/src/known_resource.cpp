#include "known_resource.hpp"

#include <string>
#include <system_error>
#include <utility>

#include "mtlspop/base/random_numbers.hpp"
#include "mtlspop/base/wait.hpp"
#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/executor.hpp"

namespace mtlspop {
namespace {

constexpr char const* WaitingForTurn = "Waiting for what the resource asks for";

}  // namespace

bool RateLimit::Take(int most) noexcept {
  if (taken_ >= most) return false;
  ++taken_;
  return true;
}

std::shared_ptr<TokenRequest const> KnownResource::Wanted() const {
  std::lock_guard<std::mutex> const lock{mutex_};
  return wanted_;
}

void KnownResource::SetWanted(std::shared_ptr<TokenRequest const> wanted) {
  std::lock_guard<std::mutex> const lock{mutex_};
  wanted_ = std::move(wanted);
}

void KnownResource::SetOpen() noexcept {
  std::unique_lock<std::mutex> lock{mutex_};
  isOpen_ = true;
  WakeThoseWhoWait(std::move(lock));
}

bool KnownResource::IsOpen() const noexcept {
  std::lock_guard<std::mutex> const lock{mutex_};
  return isOpen_;
}

KnownResource::Turn KnownResource::TryTakeTurn() {
  std::lock_guard<std::mutex> const lock{mutex_};
  if (isAsked_) return NoTurn();
  isAsked_ = true;
  return {this, [](KnownResource* resource) { resource->EndTurn(); }};
}

void KnownResource::WaitForTurn(Context const& context) {
  std::unique_lock<std::mutex> lock{mutex_};
  WaitOrThrow(lock, turnEnded_, context, WaitingForTurn, [this] { return IsTurnFree(); });
}

void KnownResource::WaitForTurnAsync(Context const& context, Completion<void> done) {
  PendingWaits::List added(1);
  try {
    added.front() = ContextWait<Context>::Begin(
        context, Context::TimePoint::max(), DefaultExecutor(), [context, done = std::move(done)](WaitEnd end) {
          done(OutcomeOf([&] {
            if (end != WaitEnd::Woken) context.ThrowIfEnded(WaitingForTurn);
          }));
        });
  } catch (std::system_error const& error) {
    throw Error{
        {errors::SystemFailure, std::string{"There was no thread for a deadline: "} + error.what(),
         "Raise the limit on threads (ulimit -u, TasksMax=, the cgroup's pids.max), or look for what takes them"}};
  }
  auto const wait = added.front();
  {
    std::lock_guard<std::mutex> const lock{mutex_};
    if (!IsTurnFree()) return pending_.Add(std::move(added));
  }
  wait->Wake();
}

void KnownResource::WakeThoseWhoWait(std::unique_lock<std::mutex> lock) noexcept {
  turnEnded_.notify_all();
  auto const pending = pending_.TakeAll();
  lock.unlock();
  WakeAll(pending);
}

void KnownResource::EndTurn() noexcept {
  std::unique_lock<std::mutex> lock{mutex_};
  isAsked_ = false;
  WakeThoseWhoWait(std::move(lock));
}

KnownResource::TimePoint KnownResource::EndOfLife(TimePoint now) const {
  return now + WithinAtRandom(options_->BearerOnlyLifetime, RandomOr(options_->Random));
}

void KnownResource::SetTakesOnlyBearer(TimePoint now) {
  std::lock_guard<std::mutex> const lock{mutex_};
  if (now < boundOnlyUntil_) return;
  if (now >= bearerOnlyUntil_) bearerOnlyUntil_ = EndOfLife(now);
}

bool KnownResource::TakesOnlyBearer(TimePoint now) const noexcept {
  std::lock_guard<std::mutex> const lock{mutex_};
  return now < bearerOnlyUntil_;
}

void KnownResource::SetTakesOnlyBound(TimePoint now) {
  std::lock_guard<std::mutex> const lock{mutex_};
  bearerOnlyUntil_ = TimePoint::min();
  boundOnlyUntil_ = EndOfLife(now);
}

bool KnownResource::TakesOnlyBound(TimePoint now) const noexcept {
  std::lock_guard<std::mutex> const lock{mutex_};
  return now < boundOnlyUntil_;
}

void KnownResource::NoteBoundSuccess() noexcept {
  std::lock_guard<std::mutex> const lock{mutex_};
  bearerOnlyUntil_ = TimePoint::min();
}

void KnownResource::NoteRefused(AccessToken const& token) {
  std::lock_guard<std::mutex> const lock{mutex_};
  refused_.Add(token);
}

bool KnownResource::HasRefused(AccessToken const& token) const noexcept {
  std::lock_guard<std::mutex> const lock{mutex_};
  return refused_.Holds(token);
}

bool KnownResource::TakeExtraToken(ExtraToken reason, TimePoint now) {
  std::lock_guard<std::mutex> const lock{mutex_};
  auto& limit = extraTokens_[static_cast<std::size_t>(reason)];
  if (limit.IsOver(now)) limit.Begin(now + WithJitter(options_->ExtraTokensWindow, RandomOr(options_->Random)));
  return limit.Take(options_->ExtraTokens);
}

}  // namespace mtlspop
