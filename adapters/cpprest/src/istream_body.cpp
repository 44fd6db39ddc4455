#include "istream_body.hpp"

#include <algorithm>
#include <exception>
#include <future>
#include <string>
#include <utility>
#include <vector>

#include "mtlspop/transport/error.hpp"
#include "observed_task.hpp"

namespace mtlspop::cpprest {
namespace {

constexpr std::ios_base::openmode In = std::ios_base::in;

}  // namespace

IstreamBody::IstreamBody(
    concurrency::streams::istream const& stream,
    std::optional<std::uint64_t> length,
    std::size_t chunkSize,
    std::shared_ptr<TransferObserver> observer)
    : buffer_(stream.streambuf()), length_(length), chunkSize_(chunkSize), observer_(std::move(observer)) {
  if (buffer_.can_seek()) start_ = buffer_.getpos(In);
}

std::size_t IstreamBody::Read(gsl::span<std::uint8_t> buffer, Context const& context) {
  auto const ended = std::make_shared<std::promise<Outcome<std::size_t>>>();
  ReadAsync(buffer, context, [ended](Outcome<std::size_t> outcome) { ended->set_value(std::move(outcome)); });
  return ended->get_future().get().Take();
}

void IstreamBody::ReadAsync(gsl::span<std::uint8_t> buffer, Context const& context, Completion<std::size_t> done) {
  auto begun = OutcomeOf([&] { return Begin(buffer); });
  if (!begun.HasValue()) {
    return DefaultExecutor()([done = std::move(done), failure = begun.Failure()] { done(failure); });
  }
  if (auto const count = std::move(begun).Take()) {
    return DefaultExecutor()([done = std::move(done), count = *count] { done(count); });
  }
  WhenDone<std::size_t>(
      pending_->Task, context, "reading the request's body",
      [self = shared_from_this(), buffer, done = std::move(done)](Outcome<std::size_t> outcome) {
        done(OutcomeOf([&] {
          return self->observer_->Guard([&] { return self->TakePending(std::move(outcome).Take(), buffer); });
        }));
      });
}

std::optional<std::size_t> IstreamBody::Begin(gsl::span<std::uint8_t> buffer) {
  observer_->Report(web::http::message_direction::upload, read_);
  auto const wanted = Wanted(buffer.size());
  if (wanted == 0) return 0;
  return observer_->Guard([&]() -> std::optional<std::size_t> {
    if (!kept_.empty()) {
      auto const count = std::min(wanted, kept_.size());
      std::copy_n(kept_.begin(), count, buffer.begin());
      kept_.erase(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(count));
      return Came(count);
    }
    if (pending_) return std::nullopt;
    if (auto const taken = TakeReady(buffer.first(wanted))) return Came(*taken);
    auto staging = std::make_shared<std::vector<std::uint8_t>>(wanted);
    auto task = buffer_.getn(staging->data(), wanted)
                    .then([staging](std::size_t count) { return count; }, CallbackScheduler::Options());
    pending_.emplace(Reading{std::move(staging), std::move(task)});
    return std::nullopt;
  });
}

std::size_t IstreamBody::TakePending(std::size_t count, gsl::span<std::uint8_t> buffer) {
  auto const staging = std::move(pending_->Staging);
  pending_.reset();
  auto const taken = std::min(count, buffer.size());
  std::copy_n(staging->begin(), taken, buffer.begin());
  kept_.assign(
      staging->begin() + static_cast<std::ptrdiff_t>(taken), staging->begin() + static_cast<std::ptrdiff_t>(count));
  return Came(taken);
}

std::size_t IstreamBody::Wanted(std::size_t room) const noexcept {
  auto const wanted = std::min(room, chunkSize_);
  return length_ ? static_cast<std::size_t>(std::min<std::uint64_t>(wanted, *length_ - read_)) : wanted;
}

std::optional<std::size_t> IstreamBody::TakeReady(gsl::span<std::uint8_t> buffer) {
  std::uint8_t* ready = nullptr;
  std::size_t count = 0;
  if (!buffer_.acquire(ready, count)) return std::nullopt;
  // Acquired without a place to read from: the stream has ended.
  if (ready == nullptr) return 0;
  auto const taken = std::min(count, buffer.size());
  std::copy_n(ready, taken, buffer.data());
  buffer_.release(ready, taken);
  return taken > 0 ? std::make_optional(taken) : std::nullopt;
}

std::size_t IstreamBody::Came(std::size_t count) {
  read_ += count;
  if (count != 0) return count;
  isBroken_ = buffer_.exception() != nullptr || length_;
  if (auto const failure = buffer_.exception()) std::rethrow_exception(failure);
  if (!length_) return 0;
  throw Error{
      {errors::RequestBodyFailed,
       "The stream of the request's body ended after " + std::to_string(read_) + " bytes, and its length is given as " +
           std::to_string(*length_),
       "Give the length that the stream has, or none"}};
}

bool IstreamBody::TryRewind() {
  if (isBroken_ || observer_->Failure()) return false;
  // A read that was left began at the beginning, and the next one takes what it brings.
  if (read_ == 0) return true;
  // What is still being read would come from where the stream is set to.
  if (pending_ && !pending_->Task.is_done()) return false;
  if (!start_ || !buffer_.is_open() || buffer_.seekpos(*start_, In) != *start_) return false;
  read_ = 0;
  pending_.reset();
  kept_.clear();
  return true;
}

}  // namespace mtlspop::cpprest
