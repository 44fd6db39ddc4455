#include "gateway/client_body.hpp"

#include <algorithm>
#include <future>
#include <utility>

#include "gateway/connection.hpp"
#include "mtlspop/transport/executor.hpp"
#include "mtlspop/transport/secret.hpp"

namespace mtlspop::gateway {
namespace {

Error ClientGone() {
  return Error{
      {errors::RequestBodyFailed, "The client of the gateway left before all of its request's body had come",
       "See why it gave up: its own time limit, most often"}};
}

}  // namespace

ClientBody::~ClientBody() { Cleanse(state_->Kept); }

std::size_t ClientBody::Read(gsl::span<std::uint8_t> buffer, Context const& context) {
  auto promise = std::make_shared<std::promise<Outcome<std::size_t>>>();
  auto future = promise->get_future();
  // Ends in bounded time: the connection has limits of its own for what it waits for.
  ReadAsync(buffer, context, [promise](Outcome<std::size_t> outcome) { promise->set_value(std::move(outcome)); });
  return future.get().Take();
}

void ClientBody::ReadAsync(gsl::span<std::uint8_t> buffer, Context const&, Completion<std::size_t> done) {
  auto& state = *state_;
  if (state.Position < state.Kept.size()) {
    auto const count = std::min(buffer.size(), state.Kept.size() - static_cast<std::size_t>(state.Position));
    std::copy_n(state.Kept.data() + state.Position, count, reinterpret_cast<char*>(buffer.data()));
    state.Position += count;
    DefaultExecutor()([done = std::move(done), count] { done(count); });
    return;
  }
  auto const connection = connection_.lock();
  if (!connection) {
    DefaultExecutor()([done = std::move(done)] { done(std::make_exception_ptr(ClientGone())); });
    return;
  }
  // At once, so that growing leaves no copies behind.
  if (state.Received == 0) state.Kept.reserve(std::min<std::uint64_t>(length_.value_or(KeptBytes), KeptBytes));
  connection->ReadBody(number_, buffer, [kept = state_, buffer, done = std::move(done)](Outcome<std::size_t> outcome) {
    if (!outcome.HasValue()) return done(std::make_exception_ptr(ClientGone()));
    auto const count = std::move(outcome).Take();
    kept->Received += count;
    kept->Position = kept->Received;
    if (kept->Received <= KeptBytes) {
      kept->Kept.append(reinterpret_cast<char const*>(buffer.data()), count);
    } else {
      Cleanse(kept->Kept);
    }
    done(count);
  });
}

bool ClientBody::TryRewind() {
  if (state_->Received > state_->Kept.size()) return false;
  state_->Position = 0;
  return true;
}

}  // namespace mtlspop::gateway
