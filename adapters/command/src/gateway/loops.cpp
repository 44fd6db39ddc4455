#include "gateway/loops.hpp"

#include <mutex>
#include <utility>

#include "mtlspop/base/processors.hpp"
#include "mtlspop/base/thread_name.hpp"

namespace mtlspop::gateway {

Loops::Loops() {
  for (unsigned count = AvailableProcessors(); count > 0; --count) all_.push_back(std::make_unique<Loop>());
}

std::size_t Loops::Here() noexcept {
  for (std::size_t index = 0; index < all_.size(); ++index) {
    if (all_[index]->Itself.IsHere()) return index;
  }
  return Next();
}

Executor Loops::MakeExecutor() {
  return [weak = weak_from_this(), others = DefaultExecutor()](std::function<void()> task) {
    auto const self = weak.lock();
    if (!self || !self->Give(task)) others(std::move(task));
  };
}

// What is given before the end is run by `RunRest` at the latest.
bool Loops::Give(std::function<void()>& task) {
  std::shared_lock<std::shared_mutex> const lock{mutex_};
  if (!haveEnded_) all_[Here()]->Tasks(std::move(task));
  return !haveEnded_;
}

void Loops::Run(std::size_t index) {
  NameThisThread("mtlspop-gateway");
  for (;;) {
    try {
      return all_[index]->Itself.Run();
    } catch (std::exception const&) {
      // Out of memory: its connection ends by its timer, the others go on.
    }
  }
}

void Loops::Stop() noexcept {
  std::unique_lock<std::shared_mutex> const lock{mutex_};
  haveEnded_ = true;
  for (auto const& loop : all_) loop->Itself.Stop();
}

void Loops::RunRest() noexcept {
  for (auto const& loop : all_) {
    try {
      loop->Itself.Io().poll();
    } catch (std::exception const&) {  // NOLINT(bugprone-empty-catch): as where it ran
    }
  }
}

}  // namespace mtlspop::gateway
