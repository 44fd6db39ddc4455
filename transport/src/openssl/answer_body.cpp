#include "openssl/answer_body.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "openssl/signing_failure.hpp"

namespace mtlspop::openssl {
namespace {

constexpr std::size_t ReceiveStep = 16 * 1024;

}  // namespace

AnswerBody::AnswerBody(PoolSlot slot, Http1Parser parser, bool keep)
    : slot_(std::move(slot)), parser_(std::move(parser)), framing_(parser_.Framing()), keep_(keep) {
  if (framing_ == BodyFraming::Length) {
    remaining_ = parser_.ContentLength();
    length_ = remaining_;
  }
}

std::size_t AnswerBody::Read(gsl::span<std::uint8_t> buffer, Context const& context) {
  if (failure_) {
    std::rethrow_exception(failure_);
  }
  if (!slot_ || buffer.empty()) {
    return 0;
  }
  if (slot_->IsForeign()) {
    throw Error{ErrorDetails{
        errors::ConnectionLost, "The answer belongs to the process that this one was forked from",
        "Read an answer in the process that sent the request"}};
  }
  try {
    Waiter waiter{context, "Reading the answer"};
    return WithSigners(context, [&] { return ReadSome(buffer, waiter); });
  } catch (...) {
    failure_ = std::current_exception();
    slot_.reset();
    throw;
  }
}

std::size_t AnswerBody::ReadSome(gsl::span<std::uint8_t> buffer, Waiter& waiter) {
  switch (framing_) {
    case BodyFraming::Length:
      return ReadLength(buffer, waiter);
    case BodyFraming::Chunked:
      return ReadChunked(buffer, waiter);
    case BodyFraming::UntilClose:
      return ReadUntilClose(buffer, waiter);
    case BodyFraming::None:
      break;
  }
  End();
  return 0;
}

std::size_t AnswerBody::ReadLength(gsl::span<std::uint8_t> buffer, Waiter& waiter) {
  auto const wanted = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), remaining_));
  auto& input = slot_->Get().Input();
  std::size_t count = 0;
  if (!input.Empty()) {
    count = std::min(wanted, input.Size());
    std::memcpy(buffer.data(), input.Unused().data(), count);
    input.Consume(count);
  } else {
    // Straight into the caller's memory.
    auto const result = Receive(buffer.subspan(0, wanted), waiter);
    if (result.Status != IoStatus::Done) {
      throw Error{slot_->Get().Describe(IoStatus::Lost, "the answer's body, which is cut short")};
    }
    count = result.Count;
  }
  remaining_ -= count;
  if (remaining_ == 0) {
    End();
  }
  return count;
}

std::size_t AnswerBody::ReadChunked(gsl::span<std::uint8_t> buffer, Waiter& waiter) {
  for (;;) {
    auto& input = slot_->Get().Input();
    auto const progress = parser_.ParseChunked(input.Unused(), buffer);
    input.Consume(progress.Used);
    if (progress.Complete) {
      End();
      return progress.Written;
    }
    if (progress.Written != 0) {
      return progress.Written;
    }
    auto const result = Receive(input.Room(ReceiveStep), waiter);
    if (result.Status != IoStatus::Done) {
      throw Error{slot_->Get().Describe(IoStatus::Lost, "the answer's body, which is cut short")};
    }
    input.Added(result.Count);
  }
}

std::size_t AnswerBody::ReadUntilClose(gsl::span<std::uint8_t> buffer, Waiter& waiter) {
  auto& input = slot_->Get().Input();
  if (!input.Empty()) {
    auto const count = std::min(buffer.size(), input.Size());
    std::memcpy(buffer.data(), input.Unused().data(), count);
    input.Consume(count);
    return count;
  }
  auto const result = Receive(buffer, waiter);
  if (result.Status == IoStatus::Closed) {
    End();
  }
  return result.Count;
}

/// Waits for something. Returns `Done` or, at the regular end of the connection, `Closed`: over TLS only a close_notify
/// makes an end regular, since anybody can cut a TCP connection (RFC 8446 section 6.1).
IoResult AnswerBody::Receive(gsl::span<std::uint8_t> buffer, Waiter& waiter) {
  auto& connection = slot_->Get();
  auto const result = connection.Read(buffer, waiter);
  if (result.Status != IoStatus::Done && result.Status != IoStatus::Closed) {
    throw Error{connection.Describe(result.Status, "the answer's body, which is cut short")};
  }
  return result;
}

void AnswerBody::End() {
  if (keep_ && slot_->Get().Input().Empty()) {
    slot_->KeepConnection();
  }
  slot_.reset();
}

}  // namespace mtlspop::openssl
