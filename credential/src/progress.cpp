#include "progress.hpp"

#include <utility>

#include "answer_text.hpp"

namespace mtlspop {
namespace {

// A scope's, null outside of all. Nothing that is destroyed with its thread: mingw-w64's run-time library gives back the
// memory of a thread's variables before it destroys them.
std::shared_ptr<Progress> const*& Current() noexcept {
  thread_local std::shared_ptr<Progress> const* current = nullptr;
  return current;
}

std::string Describe(Progress::Step const& step) {
  auto const took = std::chrono::duration_cast<std::chrono::milliseconds>(step.Time->SteadyNow() - step.Begun);
  auto text = step.What;
  if (!step.Where.empty()) text += " to " + step.Where;
  text += " has been under way for " + DescribeDuration(took);
  if (step.Attempts > 1) text += ", in attempt " + std::to_string(step.Attempts);
  if (!step.Before.empty()) text += "; the one before ended with " + step.Before;
  return text;
}

}  // namespace

void Progress::Set(Step step) {
  std::lock_guard<std::mutex> const lock{mutex_};
  last_ = std::move(step);
  followed_ = nullptr;
}

void Progress::Follow(std::shared_ptr<Progress> other) {
  std::lock_guard<std::mutex> const lock{mutex_};
  followed_ = std::move(other);
}

std::optional<Progress::Step> Progress::Last() const {
  std::unique_lock<std::mutex> lock{mutex_};
  auto const followed = followed_;
  auto own = last_;
  lock.unlock();
  auto theirs = followed ? followed->Last() : std::nullopt;
  return theirs ? theirs : own;
}

Error Progress::Explain(Error const& error) const {
  auto const step = Last();
  if (!step) return error;
  auto details = error.Details();
  details.What += ": " + Describe(*step);
  details.CorrelationId = step->CorrelationId;
  details.Attempts = step->Attempts;
  return Error{std::move(details)};
}

std::shared_ptr<Progress> const& Progress::OfThisThread() noexcept {
  static std::shared_ptr<Progress> const nobody;
  auto const* const current = Current();
  return current != nullptr ? *current : nobody;
}

void Progress::Report(Step step) {
  if (auto const& current = OfThisThread()) current->Set(std::move(step));
}

Progress::Scope::Scope(std::shared_ptr<Progress> progress) noexcept
    : progress_(std::move(progress)), outer_(std::exchange(Current(), &progress_)) {}

Progress::Scope::~Scope() { Current() = outer_; }

}  // namespace mtlspop
