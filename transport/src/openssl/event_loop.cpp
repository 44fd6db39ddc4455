#include "mtlspop/transport/event_loop.hpp"

#include <functional>
#include <new>
#include <utility>

#include <boost/system/system_error.hpp>

#include "openssl/exhaustion.hpp"
#include "openssl/reactor.hpp"

namespace mtlspop::openssl {
namespace {

std::shared_ptr<Reactor> MakeReactor() {
  try {
    return std::make_shared<Reactor>(Reactor::Owner::Application);
  } catch (boost::system::system_error const& error) {
    ThrowExhausted("An event loop could not be made", error.code().value());
  }
}

}  // namespace

EventLoop::EventLoop() : reactor_(MakeReactor()) {}

EventLoop::~EventLoop() {
  if (!reactor_->IsOfThisProcess()) {
    // What it waits with is the parent's too, and its locks may be lost.
    static_cast<void>(new (std::nothrow) std::shared_ptr<Reactor>{reactor_});
    return;
  }
  reactor_->Close();
  if (!reactor_->HasWork()) return;
  try {
    reactor_->Io().restart();
    Reactors::Shared()->Adopt(reactor_);
  } catch (std::exception const&) {  // NOLINT(bugprone-empty-catch): no memory: they stay as they are
  }
}

boost::asio::io_context& EventLoop::Io() noexcept { return reactor_->Io(); }

void EventLoop::Run() {
  if (!reactor_->IsOfThisProcess()) return;
  reactor_->Run();
  // Not before: it may have been stopped already.
  reactor_->Io().restart();
}

void EventLoop::Stop() noexcept { reactor_->Stop(); }

Executor EventLoop::MakeExecutor() const {
  return [weak = std::weak_ptr<Reactor>{reactor_}, others = DefaultExecutor()](std::function<void()> task) {
    auto const reactor = weak.lock();
    if (!reactor || !reactor->Post(task)) others(std::move(task));
  };
}

bool EventLoop::IsHere() const noexcept { return reactor_->IsHere(); }

std::size_t EventLoop::Requests() const noexcept { return reactor_->Load(); }

}  // namespace mtlspop::openssl
