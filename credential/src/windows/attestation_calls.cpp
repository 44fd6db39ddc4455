#include "attestation_calls.hpp"

#include <algorithm>
#include <exception>
#include <optional>
#include <utility>

#include <gsl/util>

#include "attestation_library.hpp"

#include "../failure.hpp"
#include "mtlspop/credential/errors.hpp"

namespace mtlspop::windows {

AttestationCalls& AttestationCalls::OfTheProcess() {
  static AttestationCalls& calls = *new AttestationCalls;
  return calls;
}

Secret AttestationCalls::Make(std::string const& name, Call call, Context const& context) {
  constexpr char const* what = "Attesting the binding key";
  context.ThrowIfEnded(what);
  auto const ticket = Enter(name, std::move(call));
  auto const leave = gsl::finally([&] { Leave(ticket.Of); });
  try {
    return ticket.Of->Result.Wait(context, what);
  } catch (Error const& error) {
    if (error.Code() != errors::DeadlineExceeded) throw;
  }
  auto const hasBegun = [&] {
    std::lock_guard<std::mutex> const lock{mutex_};
    return ticket.Of->HasBegun;
  };
  ThrowTooLate(ticket.HasJoined || !hasBegun());
}

void AttestationCalls::ThrowTooLate(bool isBehindAnother) {
  ErrorDetails details{
      errors::DeadlineExceeded,
      std::string{"Attesting the binding key took longer than the caller's deadline allows: "} +
          (isBehindAnother ? "an earlier call of Microsoft's attestation library has not come back"
                           : "Microsoft's attestation library has not come back"),
      "Try again later: the call goes on alone, since it cannot be interrupted, and no other is made beside it. Check "
      "that "
      "the attestation endpoint is reachable, and the log lines attestation.native; where the call never comes back, "
      "restart the process"};
  details.Transient = true;
  throw Error{std::move(details)};
}

AttestationCalls::Ticket AttestationCalls::Enter(std::string const& name, Call call) {
  std::lock_guard<std::mutex> const lock{mutex_};
  auto const isIt = [&](std::shared_ptr<Entry> const& entry) { return entry && entry->Name == name; };
  auto const found = std::find_if(queue_.begin(), queue_.end(), isIt);
  if (isIt(current_) || found != queue_.end()) {
    auto const& entry = isIt(current_) ? current_ : *found;
    ++entry->Waiting;
    return {entry, true};
  }
  if (queue_.size() >= MostWaiting) {
    ErrorDetails details{
        errors::AttestationFailed,
        "Too many keys wait to be attested: an earlier call of Microsoft's attestation library has not come back",
        "Try again later. Check that the attestation endpoint is reachable, and the log lines attestation.native; "
        "where "
        "the call never comes back, restart the process"};
    details.Transient = true;
    throw Error{std::move(details)};
  }
  auto entry = std::make_shared<Entry>();
  entry->Name = name;
  entry->Work = std::move(call);
  entry->Waiting = 1;
  queue_.push_back(entry);
  try {
    StartThread();
  } catch (...) {
    queue_.pop_back();
    throw;
  }
  return {std::move(entry), false};
}

/// A call that is not being made yet, and that nobody waits for any more, is forgotten.
void AttestationCalls::Leave(std::shared_ptr<Entry> const& entry) {
  std::lock_guard<std::mutex> const lock{mutex_};
  if (--entry->Waiting == 0) queue_.remove(entry);
}

void AttestationCalls::Release(Libraries libraries) noexcept {
  std::lock_guard<std::mutex> const lock{mutex_};
  released_.splice(released_.end(), libraries);
  if (released_.empty()) return;
  try {
    StartThread();
  } catch (std::exception const&) {
    // They stay until there is a thread again.
    return;
  }
}

/// With the lock held. What runs on the thread takes the lock itself, and nothing of the worker's.
void AttestationCalls::StartThread() {
  if (isRunning_) return;
  thread_.Run([this](Context const&) { Run(); });
  isRunning_ = true;
}

void AttestationCalls::Run() {
  std::unique_lock<std::mutex> lock{mutex_};
  while (!queue_.empty() || !released_.empty()) {
    Libraries done;
    done.swap(released_);
    if (!done.empty()) {
      lock.unlock();
      done.clear();
      lock.lock();
    } else {
      RunNext(lock);
    }
  }
  isRunning_ = false;
}

/// What a call holds is let go of before anybody learns that it has come back, and nobody joins one that has.
void AttestationCalls::RunNext(std::unique_lock<std::mutex>& lock) {
  current_ = std::move(queue_.front());
  queue_.pop_front();
  auto const entry = current_;
  entry->HasBegun = true;
  lock.unlock();
  std::optional<Secret> token;
  std::optional<mtlspop::Failure> failure;
  try {
    token = entry->Work();
  } catch (...) {
    failure = mtlspop::Failure::Current();
  }
  entry->Work = nullptr;
  lock.lock();
  current_.reset();
  lock.unlock();
  if (token) {
    entry->Result.Complete(std::move(*token));
  } else {
    entry->Result.Fail(std::move(*failure));
  }
  lock.lock();
}

}  // namespace mtlspop::windows
