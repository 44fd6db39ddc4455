#include "gateway/runtime.hpp"

#include <algorithm>
#include <utility>

namespace mtlspop::gateway {
namespace {

// For connections that were told to end now to do so.
constexpr std::chrono::seconds EndingTime{5};

void Run(boost::asio::io_context& io) {
  for (;;) {
    try {
      io.run();
      return;
    } catch (std::exception const&) {
      // Out of memory: its connection ends by its timer, the others go on.
    }
  }
}

// Whoever does not heed that his client has left, a key that signs slowly for example, holds its connection, and that needs
// this; nothing of it runs any more.
void LeaveBehind(std::shared_ptr<boost::asio::io_context> io) noexcept {
  static std::mutex mutex;
  static auto* const left = new std::vector<std::shared_ptr<boost::asio::io_context>>;
  std::lock_guard<std::mutex> const lock{mutex};
  left->push_back(std::move(io));
}

}  // namespace

Runtime::Runtime(std::size_t maximumConnections)
    : io_(std::make_shared<boost::asio::io_context>()),
      work_(boost::asio::make_work_guard(*io_)),
      connections_(std::make_shared<gateway::Connections>(maximumConnections)) {
  auto const count = std::clamp(std::thread::hardware_concurrency(), 1U, 4U);
  try {
    for (unsigned index = 0; index < count; ++index) threads_.emplace_back([io = io_] { Run(*io); });
  } catch (...) {
    Stop(std::chrono::milliseconds{0});
    throw;
  }
}

Runtime::~Runtime() { Stop(std::chrono::milliseconds{0}); }

void Runtime::Serve(
    std::shared_ptr<Listener> const& listener,
    std::shared_ptr<Site> site,
    std::shared_ptr<ConnectionSettings const> settings) {
  listener->Start(std::move(site), std::move(settings), connections_);
  std::lock_guard<std::mutex> const lock{mutex_};
  listeners_.push_back(listener);
}

void Runtime::Stop(std::chrono::milliseconds patience) noexcept {
  std::lock_guard<std::mutex> const lock{mutex_};
  for (auto const& listener : listeners_) listener->Stop();
  listeners_.clear();
  if (threads_.empty()) return;
  if (patience.count() > 0) {
    connections_->End(Ending::AfterRequest);
    connections_->WaitForNone(patience);
  }
  connections_->End(Ending::Now);
  if (!connections_->WaitForNone(EndingTime)) LeaveBehind(io_);
  work_.reset();
  io_->stop();
  for (auto& thread : threads_) thread.join();
  threads_.clear();
}

}  // namespace mtlspop::gateway
