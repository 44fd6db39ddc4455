#include "openssl/idle_sweep.hpp"

#include <utility>

#include "openssl/connection_pool.hpp"

namespace mtlspop::openssl {

IdleSweep::IdleSweep(std::weak_ptr<ConnectionPool> pool)
    : pool_(std::move(pool)), reactors_(Reactors::Shared()), reactor_(reactors_->Pick()), timer_(reactor_->Io()) {}

void IdleSweep::Resume() noexcept {
  auto const pool = pool_.lock();
  auto const next = pool ? pool->SweepIdle() : std::nullopt;
  if (!next) {
    timer_.cancel();
    return;
  }
  timer_.expires_after(*next);
  timer_.async_wait([self = shared_from_this()](auto const& failure) {
    if (!failure) {
      self->Resume();
    }
  });
}

}  // namespace mtlspop::openssl
