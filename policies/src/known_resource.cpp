#include "known_resource.hpp"

#include <utility>

#include "mtlspop/base/wait.hpp"
#include "random_factor.hpp"

namespace mtlspop {

bool RateLimit::Take(int most, std::chrono::milliseconds window, std::chrono::steady_clock::time_point now) noexcept {
  if (taken_ == 0 || now - begin_ >= window) {
    begin_ = now;
    taken_ = 0;
  }
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
  std::lock_guard<std::mutex> const lock{mutex_};
  isOpen_ = true;
  turnEnded_.notify_all();
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
  WaitOrThrow(
      lock, turnEnded_, context, "Waiting for what the resource asks for", [this] { return isOpen_ || !isAsked_; });
}

void KnownResource::EndTurn() noexcept {
  std::lock_guard<std::mutex> const lock{mutex_};
  isAsked_ = false;
  turnEnded_.notify_all();
}

KnownResource::TimePoint KnownResource::EndOfLife(TimePoint now) const {
  return now + ShortenedByAFifth(options_->BearerOnlyLifetime, options_->Random);
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

bool KnownResource::TakeExtraToken(ExtraToken reason, TimePoint now) noexcept {
  std::lock_guard<std::mutex> const lock{mutex_};
  return extraTokens_[static_cast<std::size_t>(reason)].Take(options_->ExtraTokens, options_->ExtraTokensWindow, now);
}

}  // namespace mtlspop
