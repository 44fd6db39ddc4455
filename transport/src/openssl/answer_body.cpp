#include "openssl/answer_body.hpp"

#include <algorithm>
#include <cstring>
#include <system_error>
#include <utility>

#include "context_ended.hpp"
#include "mtlspop/transport/out_of_memory.hpp"
#include "no_thread.hpp"
#include "openssl/operation.hpp"
#include "openssl/signing_failure.hpp"
#include "openssl/waiter.hpp"

namespace mtlspop::openssl {
namespace {

constexpr std::size_t ReceiveStep = 16 * 1024;
constexpr char const* What = "Reading the answer";
constexpr char const* Doing = "the answer's body, which is cut short";

}  // namespace

AnswerBody::AnswerBody(
    PoolSlot slot, Http1Parser parser, std::optional<CloseReason> closes, std::shared_ptr<Executor const> callbacks)
    : slot_(std::move(slot)),
      parser_(std::move(parser)),
      framing_(parser_.Framing()),
      closes_(closes),
      callbacks_(std::move(callbacks)) {
  slot_->CloseFor(CloseReason::Incomplete);
  if (framing_ == BodyFraming::Length) {
    remaining_ = parser_.ContentLength();
    length_ = remaining_;
  }
}

class AnswerBody::Reading final {
 public:
  Reading(AnswerBody& body, gsl::span<std::uint8_t> buffer, Context const& context, bool mayBlock)
      : body_(body),
        buffer_(buffer),
        context_(context),
        since_(context.Deadline() == Context::TimePoint::max() ? Context::TimePoint{} : Context::Clock::now()),
        mayBlock_(mayBlock) {}

  Step Advance() {
    auto step = body_.Advance(buffer_, mayBlock_, count_);
    if (step.For != Awaits::Nothing) {
      ThrowIfEnded(context_, step.What, body_.slot_->Get().Host(), since_);
      step.Until = std::min(step.Until, context_.Deadline());
    }
    return step;
  }
  static void ReadBody() noexcept {}
  std::size_t Count() const noexcept { return count_; }

 private:
  AnswerBody& body_;
  gsl::span<std::uint8_t> buffer_;
  Context const& context_;
  Context::TimePoint since_;
  bool mayBlock_;
  std::size_t count_ = 0;
};

std::size_t AnswerBody::Read(gsl::span<std::uint8_t> buffer, Context const& context) {
  if (IsAtEnd(buffer)) {
    return 0;
  }
  try {
    Waiter waiter{context};
    Reading reading{*this, buffer, context, waiter.MayBlock()};
    WithSigners(context, [&] { Run(reading, waiter); });
    return reading.Count();
  } catch (...) {
    auto const failure = CurrentOrOutOfMemory();
    Fail(failure);
    std::rethrow_exception(failure);
  }
}

/// A `Reading` that a reactor drives. Borrows the body and the buffer.
class AnswerBody::ReadOperation final : public Operation {
 public:
  ReadOperation(AnswerBody& body, gsl::span<std::uint8_t> buffer, Context const& context, Completion<std::size_t> done)
      : Operation(context, *body.callbacks_),
        callbacks_(body.callbacks_),
        body_(body),
        reading_(body, buffer, GetContext(), false),
        done_(std::move(done)) {}

 private:
  Step Advance() override { return reading_.Advance(); }
  void ReadBody() override {}
  Step Hear() override { return {}; }
  void RunForApplication(std::function<void()> task) override { (*callbacks_)(std::move(task)); }
  void FreeBuffers() noexcept override { body_.slot_->Get().FreeBuffers(); }

  void End(std::exception_ptr failure) noexcept override {
    if (failure) {
      body_.Fail(failure);
      failure_ = std::move(failure);
    }
    TellElsewhere();
  }

  /// What `done` throws ends the process.
  void Tell() noexcept override {
    auto const context = ReleaseContext();
    auto const done = std::exchange(done_, nullptr);
    if (failure_) {
      done(std::exchange(failure_, nullptr));
    } else {
      done(reading_.Count());
    }
  }

  /// As for a body that is at its end.
  std::shared_ptr<mtlspop::Executor const> const callbacks_;
  AnswerBody& body_;
  Reading reading_;
  Completion<std::size_t> done_;
  std::exception_ptr failure_;
};

void AnswerBody::ReadAsync(gsl::span<std::uint8_t> buffer, Context const& context, Completion<std::size_t> done) {
  auto atEnd = OutcomeOf([&] { return IsAtEnd(buffer); });
  if (!atEnd.HasValue() || std::move(atEnd).Take()) {
    // `done` may end the body while the executor is still being called.
    auto const callbacks = callbacks_;
    (*callbacks)([failure = atEnd.Failure(), done = std::move(done)] {
      done(failure ? Outcome<std::size_t>{failure} : Outcome<std::size_t>{std::size_t{0}});
    });
    return;
  }
  std::shared_ptr<ReadOperation> operation;
  try {
    operation = std::make_shared<ReadOperation>(*this, buffer, context, std::move(done));
  } catch (std::system_error const& error) {
    ThrowNoThread(error);
  }
  operation->Start();
}

bool AnswerBody::NeverWaits() const noexcept {
  if (failure_ || !slot_ || slot_->IsForeign()) return true;
  return framing_ == BodyFraming::None ||
         (framing_ == BodyFraming::Length && remaining_ <= slot_->Get().Input().Size());
}

/// @throw what it failed with before; Error `connection_lost` in a forked child
bool AnswerBody::IsAtEnd(gsl::span<std::uint8_t> buffer) const {
  if (failure_) {
    std::rethrow_exception(failure_);
  }
  if (!slot_ || buffer.empty()) {
    return true;
  }
  if (slot_->IsForeign()) {
    throw Error{ErrorDetails{
        errors::ConnectionLost, "The answer belongs to the process that this one was forked from",
        "Read an answer in the process that sent the request"}};
  }
  return false;
}

void AnswerBody::Fail(std::exception_ptr failure) noexcept {
  failure_ = std::move(failure);
  if (slot_) {
    slot_->CloseFor(CloseReason::Error);
  }
  slot_.reset();
}

/// Done when there is something in `buffer`, or the body has ended: `count` says which.
Step AnswerBody::Advance(gsl::span<std::uint8_t> buffer, bool mayBlock, std::size_t& count) {
  switch (framing_) {
    case BodyFraming::Length:
      return ReadLength(buffer, mayBlock, count);
    case BodyFraming::Chunked:
      return ReadChunked(buffer, mayBlock, count);
    case BodyFraming::UntilClose:
      return ReadUntilClose(buffer, mayBlock, count);
    case BodyFraming::None:
      break;
  }
  End();
  return {};
}

Step AnswerBody::ReadLength(gsl::span<std::uint8_t> buffer, bool mayBlock, std::size_t& count) {
  auto const wanted = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), remaining_));
  auto& input = slot_->Get().Input();
  if (!input.Empty()) {
    count = std::min(wanted, input.Size());
    std::memcpy(buffer.data(), input.Unused().data(), count);
    input.Consume(count);
  } else {
    // Straight into the caller's memory.
    auto const result = Receive(buffer.subspan(0, wanted), mayBlock);
    if (Waits(result.Status)) {
      return slot_->Get().Await(result.Status, What);
    }
    if (result.Status != IoStatus::Done) {
      throw Error{slot_->Get().Describe(IoStatus::Lost, Doing)};
    }
    count = result.Count;
  }
  remaining_ -= count;
  if (remaining_ == 0) {
    End();
  }
  return {};
}

Step AnswerBody::ReadChunked(gsl::span<std::uint8_t> buffer, bool mayBlock, std::size_t& count) {
  for (;;) {
    auto& input = slot_->Get().Input();
    auto const progress = parser_.ParseChunked(input.Unused(), buffer);
    input.Consume(progress.Used);
    count = progress.Written;
    if (progress.Complete) {
      End();
      return {};
    }
    if (count != 0) {
      return {};
    }
    auto const result = Receive(input.Room(ReceiveStep), mayBlock);
    if (Waits(result.Status)) {
      return slot_->Get().Await(result.Status, What);
    }
    if (result.Status != IoStatus::Done) {
      throw Error{slot_->Get().Describe(IoStatus::Lost, Doing)};
    }
    input.Added(result.Count);
  }
}

Step AnswerBody::ReadUntilClose(gsl::span<std::uint8_t> buffer, bool mayBlock, std::size_t& count) {
  auto& input = slot_->Get().Input();
  if (!input.Empty()) {
    count = std::min(buffer.size(), input.Size());
    std::memcpy(buffer.data(), input.Unused().data(), count);
    input.Consume(count);
    return {};
  }
  auto const result = Receive(buffer, mayBlock);
  if (Waits(result.Status)) {
    return slot_->Get().Await(result.Status, What);
  }
  if (result.Status == IoStatus::Closed) {
    End();
  }
  count = result.Count;
  return {};
}

/// `Done`, something to wait for or, at the regular end of the connection, `Closed`: over TLS only a close_notify makes an
/// end regular, since anybody can cut a TCP connection (RFC 8446 section 6.1).
IoResult AnswerBody::Receive(gsl::span<std::uint8_t> buffer, bool mayBlock) {
  auto& connection = slot_->Get();
  auto const result = connection.Read(buffer, mayBlock);
  if (result.Status == IoStatus::Lost || result.Status == IoStatus::Failed) {
    throw Error{connection.Describe(result.Status, Doing)};
  }
  return result;
}

void AnswerBody::End() {
  if (!closes_ && slot_->Get().Input().Empty()) {
    slot_->KeepConnection();
  } else {
    slot_->CloseFor(closes_.value_or(CloseReason::Error));
  }
  slot_.reset();
}

}  // namespace mtlspop::openssl
