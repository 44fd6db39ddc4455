#include "response_body.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <memory>
#include <utility>

#include <gsl/span>

#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/executor.hpp"
#include "mtlspop/transport/out_of_memory.hpp"

namespace mtlspop {
namespace {

// What was read ahead, then the rest of the stream it was read from, then the error that the reading ahead met.
class PeekedBody final : public BodyStream {
 public:
  /// Allocates nothing. Returns what was read ahead, which is here for as long as this is.
  std::string_view Set(std::string head, std::unique_ptr<BodyStream> rest, std::exception_ptr failure) noexcept {
    head_ = std::move(head);
    length_ = rest->Length();
    rest_ = std::move(rest);
    failure_ = std::move(failure);
    return head_;
  }

  std::size_t Read(gsl::span<std::uint8_t> buffer, Context const& context) override {
    if (position_ < head_.size()) {
      auto const count = std::min(buffer.size(), head_.size() - position_);
      std::copy_n(head_.begin() + static_cast<std::ptrdiff_t>(position_), count, buffer.begin());
      position_ += count;
      return count;
    }
    if (failure_) std::rethrow_exception(failure_);
    return rest_->Read(buffer, context);
  }

  void ReadAsync(gsl::span<std::uint8_t> buffer, Context const& context, Completion<std::size_t> done) override {
    if (position_ == head_.size() && !failure_) return rest_->ReadAsync(buffer, context, std::move(done));
    DefaultExecutor()(
        [done = std::move(done), outcome = OutcomeOf([&] { return Read(buffer, context); })] { done(outcome); });
  }

  std::optional<std::uint64_t> Length() const noexcept override { return length_; }

 private:
  std::string head_;
  std::size_t position_ = 0;
  std::optional<std::uint64_t> length_;
  std::unique_ptr<BodyStream> rest_;
  std::exception_ptr failure_;
};

/// Reads up to so many bytes without a thread that waits, and keeps itself alive until it has.
class ReadingAhead final : public std::enable_shared_from_this<ReadingAhead> {
 public:
  using Done = std::function<void(std::string head, std::exception_ptr failure)>;

  ReadingAhead(BodyStream& stream, std::size_t most, Context const& context, Done done)
      : stream_(stream), most_(most), context_(context), done_(std::move(done)) {}

  /// @throw what `ReadAsync` throws at once; `done` is not called then
  void ReadOn() {
    gsl::span<std::uint8_t> const room{piece_.data(), std::min(piece_.size(), most_ - head_.size())};
    if (stream_.NeverWaits()) {
      // Whoever wanted to know is told elsewhere all the same.
      return DefaultExecutor()([self = shared_from_this(), room] {
        self->Take(OutcomeOf([&] { return self->stream_.Read(room, self->context_); }));
      });
    }
    stream_.ReadAsync(
        room, context_, [self = shared_from_this()](Outcome<std::size_t> outcome) { self->Take(std::move(outcome)); });
  }

 private:
  void Take(Outcome<std::size_t> outcome) {
    std::exception_ptr failure;
    try {
      auto const count = std::move(outcome).Take();
      head_.append(piece_.begin(), piece_.begin() + static_cast<std::ptrdiff_t>(count));
      if (count != 0 && head_.size() < most_) return ReadOn();
    } catch (...) {
      failure = CurrentOrOutOfMemory();
    }
    std::exchange(done_, nullptr)(std::move(head_), std::move(failure));
  }

  BodyStream& stream_;
  std::size_t const most_;
  Context const context_;
  Done done_;
  std::array<std::uint8_t, 4096> piece_;
  std::string head_;
};

}  // namespace

void PeekBodyAsync(Response& response, Context const& context, std::function<void(std::string_view)> done) {
  auto& stream = *response.Body;
  // Made now: later nobody could be told that there was no memory for it.
  auto peeked = std::make_shared<std::unique_ptr<PeekedBody>>(std::make_unique<PeekedBody>());
  std::make_shared<ReadingAhead>(
      stream, PeekedBodyBytes, context,
      [&response, peeked = std::move(peeked), done = std::move(done)](std::string head, std::exception_ptr failure) {
        auto const begin = (*peeked)->Set(std::move(head), std::move(response.Body), std::move(failure));
        response.Body = std::move(*peeked);
        done(begin);
      })
      ->ReadOn();
}

void DrainBodyAsync(std::unique_ptr<Response> response, Context const& context, std::function<void()> done) {
  auto const isSmall = response->Body->Length().value_or(PeekedBodyBytes) <= PeekedBodyBytes;
  std::shared_ptr<Response> held{std::move(response)};
  // A failure loses the connection to the pool; the answer was to be thrown away in any case.
  auto const read = std::make_shared<ReadingAhead>(
      *held->Body, PeekedBodyBytes + 1, context, [held, done](std::string const&, std::exception_ptr const&) mutable {
        held = nullptr;
        done();
      });
  try {
    if (isSmall) return read->ReadOn();
  } catch (Error const&) {
    // No thread for it just now.
  }
  DefaultExecutor()([done = std::move(done)] { done(); });
}

std::string PeekBody(Response& response, Context const& context) {
  std::string head;
  std::exception_ptr failure;
  std::array<std::uint8_t, 4096> piece;
  try {
    while (head.size() < PeekedBodyBytes) {
      auto const wanted = std::min(piece.size(), PeekedBodyBytes - head.size());
      auto const count = response.Body->Read(gsl::span{piece.data(), wanted}, context);
      if (count == 0) break;
      head.append(piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(count));
    }
  } catch (...) {
    failure = std::current_exception();
  }
  auto peeked = std::make_unique<PeekedBody>();
  peeked->Set(head, std::move(response.Body), std::move(failure));
  response.Body = std::move(peeked);
  return head;
}

void DrainBody(Response& response, Context const& context) noexcept {
  if (response.Body->Length().value_or(PeekedBodyBytes) > PeekedBodyBytes) return;
  try {
    std::array<std::uint8_t, 4096> piece;
    std::size_t total = 0;
    while (total <= PeekedBodyBytes) {
      auto const count = response.Body->Read(piece, context);
      if (count == 0) return;
      total += count;
    }
  } catch (std::exception const&) {
    // The connection is lost to the pool; the answer was to be thrown away in any case.
  }
}

}  // namespace mtlspop
