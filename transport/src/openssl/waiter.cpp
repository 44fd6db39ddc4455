#include "openssl/waiter.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <cstdint>
#include <limits>
#include <mutex>
#include <system_error>

#include <sys/eventfd.h>
#include <unistd.h>

#include "mtlspop/base/fork_epoch.hpp"
#include "mtlspop/base/posix/descriptor.hpp"
#include "mtlspop/transport/error.hpp"
#include "openssl/socket_registration.hpp"

namespace mtlspop::openssl {
namespace {

/// Happy eyeballs wait for a few attempts at once; everything else for one socket.
constexpr std::size_t MaximumSockets = 15;

/// The descriptor by which other threads wake this one. Made anew in a forked child, where the inherited one would wake
/// the parent.
int ThreadWakeDescriptor() {
  struct WakeEvent {
    Descriptor Event;
    std::uint64_t Epoch = 0;
  };
  thread_local WakeEvent wake;
  if (!wake.Event.IsOpen() || wake.Epoch != ForkEpoch()) {
    wake.Event = Descriptor{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
    wake.Epoch = ForkEpoch();
  }
  return wake.Event.Get();
}

[[noreturn]] void ThrowSystemFailure(char const* call) {
  throw Error{ErrorDetails{
      errors::SystemFailure, std::string{call} + " failed: " + std::system_category().message(errno),
      "Check the process's limits, above all the number of open files"}};
}

int ToTimeout(Context::TimePoint until) {
  if (until == Context::TimePoint::max()) {
    return -1;
  }
  auto const left = std::chrono::ceil<std::chrono::milliseconds>(until - Context::Clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, std::numeric_limits<int>::max()));
}

}  // namespace

/// Rung by whoever has what is waited for. Needs no descriptor: ten thousand threads may wait in the pool's line.
class Waiter::Bell final : public Wakeable {
 public:
  void Wake() noexcept override {
    std::lock_guard<std::mutex> const lock{mutex_};
    rung_ = true;
    changed_.notify_one();
  }

  void Await(Context::TimePoint until) {
    std::unique_lock<std::mutex> lock{mutex_};
    if (until == Context::TimePoint::max()) {
      changed_.wait(lock, [this] { return rung_; });
    } else {
      changed_.wait_until(lock, until, [this] { return rung_; });
    }
    rung_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool rung_ = false;
};

std::shared_ptr<Wakeable> Waiter::WakeHandle() {
  if (!bell_) {
    bell_ = std::make_shared<Bell>();
    if (context_.NotifiesOfCancellation()) {
      ringing_ = context_.OnCancelled([bell = bell_] { bell->Wake(); });
    }
  }
  return bell_;
}

void Waiter::Wait(Step const& step) {
  auto until = step.Until;
  if (auto const probe = context_.PollInterval()) {
    until = std::min(until, Context::Clock::now() + *probe);
  }
  if (step.For == Awaits::Wake) {
    bell_->Await(until);
  } else {
    if (step.Registration != nullptr) {
      *step.Registration = nullptr;
    }
    Poll(step.Sockets, until);
  }
}

void Waiter::Poll(gsl::span<pollfd> sockets, Context::TimePoint until) {
  if (context_.NotifiesOfCancellation() && !registration_) {
    wakeDescriptor_ = ThreadWakeDescriptor();
    if (wakeDescriptor_ < 0) {
      ThrowSystemFailure("eventfd");
    }
    registration_ = context_.OnCancelled([descriptor = wakeDescriptor_] {
      std::uint64_t const one = 1;
      // A full counter wakes the thread as well.
      static_cast<void>(!::write(descriptor, &one, sizeof one));
    });
  }
  std::array<pollfd, MaximumSockets + 1> polled;
  auto const count = std::min(sockets.size(), MaximumSockets);
  std::copy_n(sockets.begin(), count, polled.begin());
  auto total = static_cast<nfds_t>(count);
  if (registration_) {
    polled[total++] = pollfd{wakeDescriptor_, POLLIN, 0};
  }
  int const ready = ::poll(polled.data(), total, ToTimeout(until));
  if (ready < 0) {
    if (errno != EINTR) {
      ThrowSystemFailure("poll");
    }
    return;
  }
  std::copy_n(polled.begin(), count, sockets.begin());
  if (registration_ && ready > 0 && polled[count].revents != 0) {
    // The context says whether this was its cancellation; what an earlier one left behind is taken off here.
    std::uint64_t value = 0;
    static_cast<void>(!::read(wakeDescriptor_, &value, sizeof value));
  }
}

}  // namespace mtlspop::openssl
