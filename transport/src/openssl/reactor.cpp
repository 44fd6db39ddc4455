#include "openssl/reactor.hpp"

#include <algorithm>
#include <new>
#include <system_error>
#include <thread>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/system_error.hpp>
#include <gsl/util>

#include "mtlspop/base/per_process.hpp"
#include "mtlspop/base/processors.hpp"
#include "mtlspop/base/thread_name.hpp"
#include "openssl/exhaustion.hpp"

namespace mtlspop::openssl {
namespace {

/// A reactor with fewer operations gets the next one, though another processor be idle.
constexpr std::size_t LightLoad = 8;

void RunHere(Reactor& reactor) noexcept {
  NameThisThread("mtlspop-io");
  for (;;) {
    try {
      return reactor.Run();
    } catch (...) {  // NOLINT(bugprone-empty-catch): a handler that an application has left behind
    }
  }
}

/// What a process has of them, and a child of fork() has not.
struct SharedReactors {
  explicit SharedReactors(SharedReactors* /*parents*/) {}

  std::mutex Mutex;
  std::weak_ptr<Reactors> Current;
};

}  // namespace

/// Resumes what is ready. Its memory is the reactor's, so that to make something ready cannot fail.
struct Reactor::Drain {
  using allocator_type = ReservedMemory::Allocator<void>;

  allocator_type get_allocator() const noexcept { return Of->drainMemory_.MakeAllocator(); }
  void operator()() const noexcept { Of->ResumeReady(); }

  Reactor* Of;
};

Reactor::Reactor(Owner owner) : owner_(owner) {
  // Has Asio open its descriptors now, where their want can be told, and not with the first operation.
  boost::asio::steady_timer const timer{io_};
}

Reactor::~Reactor() {
  // One after the other: a long list that takes itself down would take the stack down.
  while (first_) {
    auto next = std::move(first_->nextReady_);
    first_ = std::move(next);
  }
}

void Reactor::Run() {
  // What it waits with is the parent's too.
  if (!IsOfThisProcess()) {
    return;
  }
  auto* const outer = std::exchange(here_, this);
  auto const leave = gsl::finally([outer] { here_ = outer; });
  io_.run();
}

bool Reactor::Post(std::function<void()>& task) noexcept {
  if (!IsOfThisProcess()) {
    return false;
  }
  std::lock_guard<std::mutex> const lock{closing_};
  if (isClosed_) {
    return false;
  }
  Begun();
  std::shared_ptr<std::function<void()>> kept;
  try {
    kept = std::make_shared<std::function<void()>>();
    kept->swap(task);
    boost::asio::post(io_, [this, kept] {
      auto const done = gsl::finally([this] { Done(); });
      // Not where it was posted, if that thread is the last to let go: what it holds may come back to this function.
      auto const taken = std::exchange(*kept, nullptr);
      taken();
    });
    return true;
  } catch (std::bad_alloc const&) {
    if (kept) {
      kept->swap(task);
    }
    Done();
    return false;
  }
}

void Reactor::Close() noexcept {
  std::lock_guard<std::mutex> const lock{closing_};
  isClosed_ = true;
}

void Reactor::Add() noexcept {
  load_.fetch_add(1);
  Begun();
}

void Reactor::Remove() noexcept {
  load_.fetch_sub(1);
  Done();
}

void Reactor::Done() noexcept {
  if (undone_.fetch_sub(1) == 1 && stopsWhenDone_.load()) {
    Stop();
  }
}

void Reactor::StopWhenDone() noexcept {
  stopsWhenDone_.store(true);
  if (!HasWork()) {
    Stop();
  }
}

std::shared_ptr<Reactor> Reactor::OfApplication() {
  bool const isOne = here_ != nullptr && here_->owner_ == Owner::Application && here_->IsOfThisProcess();
  return isOne ? here_->shared_from_this() : nullptr;
}

void Reactor::Ready(std::shared_ptr<Resumable> resumable) noexcept {
  auto& added = *resumable;
  if (!IsOfThisProcess() || added.isReady_.exchange(true)) {
    return;
  }
  bool wasEmpty = false;
  {
    std::lock_guard<std::mutex> const lock{mutex_};
    wasEmpty = last_ == nullptr;
    (wasEmpty ? first_ : last_->nextReady_) = std::move(resumable);
    last_ = &added;
  }
  if (wasEmpty) {
    boost::asio::post(io_, Drain{this});
  }
}

void Reactor::ResumeReady() noexcept {
  std::shared_ptr<Resumable> ready;
  {
    std::lock_guard<std::mutex> const lock{mutex_};
    ready = std::move(first_);
    last_ = nullptr;
  }
  while (ready) {
    auto next = std::move(ready->nextReady_);
    // Before it goes on: what happens from now on makes it ready again.
    ready->isReady_.store(false);
    ready->Resume();
    ready = std::move(next);
  }
}

Reactors::Reactors()
    : maximum_(AvailableProcessors()),
      started_(std::make_shared<Started>()),
      threads_({std::chrono::seconds{0}, nullptr, [started = started_] { StopAll(*started); }}) {
  started_->All.reserve(maximum_);
}

Reactors::~Reactors() { StopAll(*started_); }

void Reactors::StopAll(Started& started) noexcept {
  std::lock_guard<std::mutex> const lock{started.Mutex};
  for (auto const* const all : {&started.All, &started.Adopted}) {
    for (auto const& reactor : *all) {
      reactor->Stop();
    }
  }
}

std::shared_ptr<Reactors> Reactors::Shared() {
  // Never destroyed: the last requests may come at the very end.
  static auto& shared = *new PerProcess<SharedReactors>;
  auto& state = shared.Get();
  std::lock_guard<std::mutex> const lock{state.Mutex};
  auto current = state.Current.lock();
  if (!current) {
    current = std::make_shared<Reactors>();
    state.Current = current;
  }
  return current;
}

std::shared_ptr<Reactor> Reactors::Pick() {
  std::lock_guard<std::mutex> const lock{started_->Mutex};
  auto& all = started_->All;
  auto const lightest = [&all] {
    return std::min_element(
        all.begin(), all.end(), [](auto const& left, auto const& right) { return left->Load() < right->Load(); });
  };
  auto const found = lightest();
  bool const isBusy = found == all.end() || (*found)->Load() >= LightLoad;
  if (!isBusy || all.size() == maximum_) {
    return *found;
  }
  int cause = 0;
  try {
    auto added = std::make_shared<Reactor>();
    threads_.RunNow([added] { RunHere(*added); });
    all.push_back(added);
    return added;
  } catch (boost::system::system_error const& error) {
    cause = error.code().value();
  } catch (std::system_error const& error) {
    cause = error.code().value();
  }
  if (found == all.end()) {
    ThrowExhausted("No thread could be started for asynchronous requests", cause);
  }
  return *found;
}

void Reactors::Adopt(std::shared_ptr<Reactor> const& reactor) noexcept {
  auto const forget = [](Started& started, Reactor* which) {
    auto& all = started.Adopted;
    all.erase(std::remove_if(all.begin(), all.end(), [&](auto const& each) { return each.get() == which; }), all.end());
  };
  std::lock_guard<std::mutex> const lock{started_->Mutex};
  try {
    started_->Adopted.push_back(reactor);
    threads_.RunNow([self = shared_from_this(), started = started_, which = reactor, forget] {
      which->StopWhenDone();
      RunHere(*which);
      std::lock_guard<std::mutex> const within{started->Mutex};
      forget(*started, which.get());
    });
  } catch (std::exception const&) {
    // No thread, or no memory for one.
    forget(*started_, reactor.get());
  }
}

}  // namespace mtlspop::openssl
