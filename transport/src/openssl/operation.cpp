#include "openssl/operation.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include "mtlspop/transport/blocking_call.hpp"
#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/out_of_memory.hpp"
#include "openssl/exhaustion.hpp"
#include "openssl/signing_failure.hpp"
#include "openssl/slow_keys.hpp"

namespace mtlspop::openssl {
namespace {

using boost::asio::posix::stream_descriptor;

std::exception_ptr OutOfMemory() noexcept {
  try {
    ThrowOutOfMemory();
  } catch (...) {
    return std::current_exception();
  }
}

}  // namespace

Operation::Operation(Context context)
    : context_(std::move(context)), reactors_(Reactors::Shared()), reactor_(reactors_->Pick()), timer_(reactor_->Io()) {
  reactor_->Load.fetch_add(1);
}

Operation::~Operation() { reactor_->Load.fetch_sub(1); }

void Operation::Wake() noexcept { reactor_->Ready(shared_from_this()); }

std::shared_ptr<Wakeable> Operation::WakeHandle() { return std::static_pointer_cast<Operation>(shared_from_this()); }

/// On the reactor's thread: the context may end as soon as it is done, and that touches the registration.
void Operation::Register() {
  // Not held by the callback, so that it is gone when the operation is.
  registration_ = context_.OnCancelled([weak = weak_from_this()] {
    if (auto self = weak.lock()) {
      auto* const reactor = static_cast<Operation&>(*self).reactor_.get();
      reactor->Ready(std::move(self));
    }
  });
}

void Operation::ComeBack() noexcept {
  isBack_.store(true);
  Wake();
}

void Operation::Resume() noexcept {
  if (isDone_ || (isAway_ && !isBack_.exchange(false))) {
    return;
  }
  isAway_ = false;
  StopWatching();
  if (auto failure = FindFailure()) {
    return Finish(std::move(failure));
  }
  try {
    if (!registration_ && context_.NotifiesOfCancellation()) {
      Register();
    }
    auto const step = TakeStep();
    switch (step.For) {
      case Awaits::Nothing:
        return Finish(nullptr);
      case Awaits::Body:
        isAway_ = true;
        return ReadBody();
      case Awaits::Key:
        isAway_ = true;
        return UseKey();
      case Awaits::Sockets:
        FreeBuffers();
        Watch(step);
        break;
      case Awaits::Wake:
        break;
    }
    SetTimer(step.Until);
  } catch (std::bad_alloc const&) {
    Finish(OutOfMemory());
  } catch (...) {
    Finish(std::current_exception());
  }
}

/// Here, unless one was taken elsewhere.
Step Operation::TakeStep() {
  if (auto const failure = std::exchange(failureElsewhere_, nullptr)) {
    std::rethrow_exception(failure);
  }
  if (auto const step = std::exchange(stepElsewhere_, std::nullopt)) {
    return *step;
  }
  NoSlowKeys const here;
  return Advance();
}

/// Takes the next step where a signature may take its time. Where the context ends before its turn has come, the machine
/// says so here.
void Operation::UseKey() {
  auto const self = std::static_pointer_cast<Operation>(shared_from_this());
  RunBlocking(
      BlockingWork::Signing, context_,
      [self](Context const& limited) {
        try {
          self->stepElsewhere_ = WithSigners(limited, [&] { return self->Advance(); });
        } catch (...) {
          self->failureElsewhere_ = std::current_exception();
        }
        self->ComeBack();
      },
      [self] { self->ComeBack(); });
}

void Operation::Watch(Step const& step) {
  watched_.reserve(step.Sockets.size());
  for (auto& socket : step.Sockets) {
    watched_.emplace_back(reactor_->Io());
    boost::system::error_code failure;
    watched_.back().assign(socket.fd, failure);
    if (failure) {
      watched_.pop_back();
      ThrowExhausted("A connection could not be waited for", failure.value());
    }
    for (short const event : {short{POLLIN}, short{POLLOUT}}) {
      if ((socket.events & event) != 0) {
        WatchFor(watched_.back(), socket, event);
      }
    }
  }
}

void Operation::WatchFor(stream_descriptor& descriptor, pollfd& socket, short event) {
  auto self = std::static_pointer_cast<Operation>(shared_from_this());
  auto const kind = event == POLLIN ? stream_descriptor::wait_read : stream_descriptor::wait_write;
  descriptor.async_wait(kind, [self = std::move(self), wait = wait_, &socket, event](auto const& failure) {
    if (!failure && wait == self->wait_) {
      socket.revents = static_cast<short>(socket.revents | event);
      self->Resume();
    }
  });
}

/// The descriptors are the connection's: they are let go of before it can close them.
void Operation::StopWatching() noexcept {
  ++wait_;
  for (auto& descriptor : watched_) {
    descriptor.release();
  }
  watched_.clear();
}

/// One that is set for an earlier time stays: the step that it brings about is taken in vain, and sets another.
void Operation::SetTimer(Context::TimePoint until) {
  if (auto const probe = context_.PollInterval()) {
    until = std::min(until, Context::Clock::now() + *probe);
  }
  if (until >= timerAt_) {
    return;
  }
  timerAt_ = until;
  timer_.expires_at(until);
  timer_.async_wait([self = std::static_pointer_cast<Operation>(shared_from_this())](auto const& failure) {
    if (!failure) {
      self->timerAt_ = Context::TimePoint::max();
      self->Resume();
    }
  });
}

void Operation::Finish(std::exception_ptr failure) noexcept {
  isDone_ = true;
  StopWatching();
  timer_.cancel();
  registration_.reset();
  End(std::move(failure));
}

}  // namespace mtlspop::openssl
