#include "gateway/connections.hpp"

#include <utility>
#include <vector>

namespace mtlspop::gateway {

Seat::~Seat() { of_->Remove(this); }

void Seat::OnEnd(std::function<void(Ending)> end) {
  std::lock_guard<std::mutex> const lock{mutex_};
  end_ = std::move(end);
  if (ending_ && end_) end_(*ending_);
}

void Seat::End(Ending how) {
  std::lock_guard<std::mutex> const lock{mutex_};
  ending_ = how;
  if (end_) end_(how);
}

std::shared_ptr<Seat> Connections::Take() {
  // Where there is no memory for what follows, it is given back without the lock.
  auto seat = std::make_shared<Seat>(shared_from_this());
  std::lock_guard<std::mutex> const lock{mutex_};
  if (taken_.size() >= maximum_) return nullptr;
  if (ending_) seat->End(*ending_);
  taken_[seat.get()] = seat;
  return seat;
}

std::size_t Connections::Count() const {
  std::lock_guard<std::mutex> const lock{mutex_};
  return taken_.size();
}

void Connections::End(Ending how) {
  std::vector<std::shared_ptr<Seat>> seats;
  {
    std::lock_guard<std::mutex> const lock{mutex_};
    ending_ = how;
    for (auto const& [address, seat] : taken_) {
      if (auto alive = seat.lock()) seats.push_back(std::move(alive));
    }
  }
  for (auto const& seat : seats) seat->End(how);
}

bool Connections::WaitForNone(std::chrono::milliseconds patience) const {
  std::unique_lock<std::mutex> lock{mutex_};
  return changed_.wait_for(lock, patience, [this] { return taken_.empty(); });
}

void Connections::Remove(Seat* seat) noexcept {
  {
    std::lock_guard<std::mutex> const lock{mutex_};
    taken_.erase(seat);
  }
  changed_.notify_all();
}

}  // namespace mtlspop::gateway
