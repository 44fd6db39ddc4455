#include "gateway/runtime.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/post.hpp>

namespace mtlspop::gateway {
namespace {

// For connections that were told to end now to do so.
constexpr std::chrono::seconds EndingTime{5};

unsigned ThreadCount() { return std::clamp(std::thread::hardware_concurrency(), 1U, 4U); }

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

std::shared_ptr<boost::asio::io_context> MakeIo() {
  return std::make_shared<boost::asio::io_context>(static_cast<int>(ThreadCount()));
}

Executor ExecutorOn(std::shared_ptr<boost::asio::io_context> io) {
  return [io = std::move(io), others = DefaultExecutor()](std::function<void()> task) {
    if (io->stopped()) return others(std::move(task));
    boost::asio::post(*io, std::move(task));
  };
}

Runtime::Runtime(std::shared_ptr<boost::asio::io_context> io, std::size_t maximumConnections)
    : io_(std::move(io)),
      work_(boost::asio::make_work_guard(*io_)),
      connections_(std::make_shared<gateway::Connections>(maximumConnections)) {
  try {
    for (unsigned index = 0; index < ThreadCount(); ++index) threads_.emplace_back([io = io_] { Run(*io); });
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
  // What completions have been given meanwhile, and nobody runs any more.
  io_->restart();
  io_->poll();
  io_->stop();
}

}  // namespace mtlspop::gateway
