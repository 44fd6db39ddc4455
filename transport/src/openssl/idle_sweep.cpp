#include "openssl/idle_sweep.hpp"

#include <new>
#include <utility>

#include "openssl/connection_pool.hpp"

namespace mtlspop::openssl {

IdleSweep::IdleSweep(std::weak_ptr<ConnectionPool> pool, std::chrono::milliseconds first)
    : pool_(std::move(pool)),
      reactors_(Reactors::Shared()),
      reactor_(reactors_->Pick()),
      timer_(reactor_->Io()),
      first_(first) {}

void IdleSweep::Resume() noexcept {
  auto const pool = pool_.lock();
  auto const first = std::exchange(first_, std::nullopt);
  auto const next = !pool ? std::nullopt : (first ? first : pool->SweepIdle());
  if (!next) {
    timer_.cancel();
    return;
  }
  try {
    timer_.expires_after(*next);
    timer_.async_wait([self = shared_from_this()](auto const& failure) {
      if (!failure) {
        self->Resume();
      }
    });
  } catch (std::bad_alloc const&) {
    pool->GiveUpSweep();
  }
}

}  // namespace mtlspop::openssl
