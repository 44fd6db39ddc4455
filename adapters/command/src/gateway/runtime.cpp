#include "gateway/runtime.hpp"

#include <algorithm>
#include <memory>
#include <utility>

namespace mtlspop::gateway {
namespace {

// For connections that were told to end now to do so.
constexpr std::chrono::seconds EndingTime{5};

// Whoever does not heed that his client has left, a key that signs slowly for example, holds its connection, and that needs
// this; nothing of it runs any more.
void LeaveBehind(std::shared_ptr<Loops> loops) noexcept {
  static std::mutex mutex;
  static auto* const left = new std::vector<std::shared_ptr<Loops>>;
  std::lock_guard<std::mutex> const lock{mutex};
  left->push_back(std::move(loops));
}

}  // namespace

Runtime::Runtime(std::shared_ptr<gateway::Loops> loops, std::size_t maximumConnections)
    : loops_(std::move(loops)), connections_(std::make_shared<gateway::Connections>(maximumConnections)) {
  try {
    for (std::size_t index = 0; index < loops_->Size(); ++index) {
      threads_.emplace_back([loops = loops_, index] { loops->Run(index); });
    }
  } catch (...) {
    Stop(std::chrono::milliseconds{0});
    throw;
  }
}

Runtime::~Runtime() { Stop(std::chrono::milliseconds{0}); }

void Runtime::Serve(
    std::shared_ptr<Listener> const& listener,
    std::shared_ptr<Site> site,
    std::shared_ptr<ConnectionSettings const> settings,
    std::size_t maximumOfItsOwn) {
  auto connections = connections_;
  if (maximumOfItsOwn > 0) {
    connections = std::make_shared<gateway::Connections>(maximumOfItsOwn);
    std::lock_guard<std::mutex> const lock{placesMutex_};
    others_.push_back(connections);
  }
  listener->Start(std::move(site), std::move(settings), std::move(connections));
  std::lock_guard<std::mutex> const lock{mutex_};
  listeners_.push_back(listener);
}

Runtime::Places Runtime::AllPlaces() const {
  std::lock_guard<std::mutex> const lock{placesMutex_};
  auto all = others_;
  all.push_back(connections_);
  return all;
}

std::size_t Runtime::CountConnections() const {
  std::size_t count = 0;
  for (auto const& each : AllPlaces()) count += each->Count();
  return count;
}

void Runtime::End(Ending how) const {
  for (auto const& each : AllPlaces()) each->End(how);
}

bool Runtime::WaitForNone(std::chrono::milliseconds patience) const {
  using std::chrono::milliseconds;
  using std::chrono::steady_clock;
  auto const until = steady_clock::now() + patience;
  bool areGone = true;
  for (auto const& each : AllPlaces()) {
    auto const left = std::chrono::duration_cast<milliseconds>(until - steady_clock::now());
    areGone = each->WaitForNone(std::max(left, milliseconds{0})) && areGone;
  }
  return areGone;
}

void Runtime::Stop(std::chrono::milliseconds patience) noexcept {
  std::lock_guard<std::mutex> const lock{mutex_};
  for (auto const& listener : listeners_) listener->Stop();
  listeners_.clear();
  if (threads_.empty()) return;
  if (patience.count() > 0) {
    End(Ending::AfterRequest);
    WaitForNone(patience);
  }
  End(Ending::Now);
  if (!WaitForNone(EndingTime)) LeaveBehind(loops_);
  loops_->Stop();
  for (auto& thread : threads_) thread.join();
  threads_.clear();
  loops_->RunRest();
}

}  // namespace mtlspop::gateway
