#include "openssl/operation.hpp"

#include <algorithm>
#include <utility>

#include <boost/system/system_error.hpp>

#include "mtlspop/transport/blocking_call.hpp"
#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/out_of_memory.hpp"
#include "openssl/exhaustion.hpp"
#include "openssl/signing_failure.hpp"
#include "openssl/slow_keys.hpp"

namespace mtlspop::openssl {
namespace {

using boost::asio::posix::stream_descriptor;

/// So many operations of a reactor keep their connections' buffers (33 KiB of each) while they wait: to give them back and take
/// new ones costs a twentieth of a request.
constexpr std::size_t WaitingWithBuffers = 64;

std::shared_ptr<Reactor> ReactorFrom(Reactors& reactors) {
  auto own = Reactor::OfApplication();
  return own ? own : reactors.Pick();
}

/// A part of the request may have been sent by then.
[[noreturn]] void ThrowNotWaitedFor(int cause) {
  try {
    ThrowExhausted("A connection could not be waited for", cause);
  } catch (Error const& error) {
    auto details = error.Details();
    details.NothingSent = false;
    throw Error{std::move(details)};
  }
}

}  // namespace

Operation::Operation(Context context, Executor const& executor)
    : Handover(executor),
      executor_(executor),
      context_(std::move(context)),
      reactors_(Reactors::Shared()),
      reactor_(ReactorFrom(*reactors_)),
      timer_(reactor_->Io()) {
  reactor_->Add();
}

Operation::~Operation() { reactor_->Remove(); }

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
  if (isDone_) {
    return;
  }
  if (isAway_ && !isBack_.exchange(false)) {
    return HearMeanwhile();
  }
  isAway_ = false;
  StopWatching();
  try {
    if (auto failure = FindFailure()) {
      return Finish(std::move(failure));
    }
    if (!registration_ && context_.NotifiesOfCancellation()) {
      Register();
    }
    auto const step = TakeStep();
    switch (step.For) {
      case Awaits::Nothing:
        return Finish(nullptr);
      case Awaits::Body:
        isAway_ = true;
        Watch(step);
        return ReadBody();
      case Awaits::Key:
        isAway_ = true;
        return UseKey(step.Until);
      case Awaits::Sockets:
        if (reactor_->Load() > WaitingWithBuffers) {
          FreeBuffers();
        }
        Watch(step);
        break;
      case Awaits::Wake:
        break;
    }
    SetTimer(step.Until);
  } catch (...) {
    Finish(CurrentOrOutOfMemory());
  }
}

/// The body's next piece may be long in coming, and what the server says meanwhile may make it unwanted.
void Operation::HearMeanwhile() noexcept {
  if (!IsWatching()) {
    return;
  }
  StopWatching();
  try {
    NoSlowKeys const here;
    Watch(Hear());
  } catch (std::exception const&) {  // NOLINT(bugprone-empty-catch): what is not heard now is when the piece has come
  }
}

/// Here, unless one that was taken elsewhere was the last. What any other of them waits for may have happened meanwhile,
/// which nobody heard of: the machine looks again.
Step Operation::TakeStep() {
  if (auto const failure = std::exchange(failureElsewhere_, nullptr)) {
    std::rethrow_exception(failure);
  }
  if (std::exchange(isDoneElsewhere_, false)) {
    return {};
  }
  NoSlowKeys const here;
  return Advance();
}

/// Takes the next step where a signature may take its time. Where the context ends before its turn has come, or what the step
/// may take has passed, the machine says so here.
void Operation::UseKey(Context::TimePoint until) {
  auto const self = std::static_pointer_cast<Operation>(shared_from_this());
  RunBlocking(
      BlockingWork::Signing, context_.WithDeadline(until),
      [self](Context const& limited) {
        try {
          auto const step = WithSigners(limited, [&] { return self->Advance(); });
          self->isDoneElsewhere_ = step.For == Awaits::Nothing;
        } catch (...) {
          self->failureElsewhere_ = std::current_exception();
        }
        self->ComeBack();
      },
      [self] { self->ComeBack(); });
}

void Operation::Watch(Step const& step) {
  if (step.Registration != nullptr) {
    registered_ = &Registered(step);
    return WatchFor(registered_->Socket(), step.Sockets[0]);
  }
  watched_.reserve(step.Sockets.size());
  for (auto& socket : step.Sockets) {
    watched_.emplace_back(reactor_->Io());
    boost::system::error_code failure;
    watched_.back().assign(socket.fd, failure);
    if (failure) {
      watched_.pop_back();
      ThrowNotWaitedFor(failure.value());
    }
    WatchFor(watched_.back(), socket);
  }
}

SocketRegistration& Operation::Registered(Step const& step) {
  auto& registration = *step.Registration;
  bool const waitsToWrite = (step.Sockets[0].events & POLLOUT) != 0;
  if (!registration || !registration->IsWith(*reactor_) || (registration->HasWaitedToWrite() && !waitsToWrite)) {
    registration = nullptr;
    try {
      registration = std::make_unique<SocketRegistration>(reactor_, step.Sockets[0].fd);
    } catch (boost::system::system_error const& error) {
      ThrowNotWaitedFor(error.code().value());
    }
  }
  if (waitsToWrite) {
    registration->WaitToWrite();
  }
  return *registration;
}

void Operation::WatchFor(stream_descriptor& descriptor, pollfd& socket) {
  for (short const event : {short{POLLIN}, short{POLLOUT}}) {
    if ((socket.events & event) == 0) {
      continue;
    }
    auto self = std::static_pointer_cast<Operation>(shared_from_this());
    auto const kind = event == POLLIN ? stream_descriptor::wait_read : stream_descriptor::wait_write;
    descriptor.async_wait(kind, [self = std::move(self), wait = wait_, &socket, event](auto const& failure) {
      // What comes of an earlier wait may be that it was ended here.
      if (wait == self->wait_) {
        self->Happened(failure, socket, event);
      }
    });
  }
}

/// Where the socket cannot be waited for, nothing else would ever say so.
void Operation::Happened(boost::system::error_code const& failure, pollfd& socket, short event) noexcept {
  if (!failure) {
    socket.revents = static_cast<short>(socket.revents | event);
    return Resume();
  }
  if (isAway_) {
    return StopWatching();
  }
  try {
    ThrowNotWaitedFor(failure.value());
  } catch (...) {
    Finish(CurrentOrOutOfMemory());
  }
}

/// The descriptors are the connection's: they are let go of before it can close them, or move to another reactor.
void Operation::StopWatching() noexcept {
  ++wait_;
  if (registered_ != nullptr) {
    boost::system::error_code ignored;
    std::exchange(registered_, nullptr)->Socket().cancel(ignored);
  }
  for (auto& descriptor : watched_) {
    descriptor.release();
  }
  watched_.clear();
}

/// One that is set for an earlier time stays, and sets another when it ends. So does one that only asks the context: a step for
/// each of ten thousand that wait, fifty times in a second, would leave no processor for anything else.
void Operation::SetTimer(Context::TimePoint until) {
  stepUntil_ = until;
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
      self->TimerEnded();
    }
  });
}

void Operation::TimerEnded() noexcept {
  timerAt_ = Context::TimePoint::max();
  if (isDone_) {
    return;
  }
  if (Context::Clock::now() >= stepUntil_ || context_.IsCancelled() || context_.IsExpired()) {
    return Resume();
  }
  try {
    SetTimer(stepUntil_);
  } catch (...) {
    Finish(CurrentOrOutOfMemory());
  }
}

void Operation::Finish(std::exception_ptr failure) noexcept {
  isDone_ = true;
  StopWatching();
  timer_.cancel();
  registration_.reset();
  End(std::move(failure));
}

void Operation::TellElsewhere() noexcept { HandOver(executor_, {shared_from_this(), this}); }

}  // namespace mtlspop::openssl
