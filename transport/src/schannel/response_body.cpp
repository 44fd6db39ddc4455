#include "schannel/response_body.hpp"

#include <algorithm>
#include <utility>

#include <gsl/assert>

#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/out_of_memory.hpp"

namespace mtlspop::schannel {

std::size_t ResponseBody::Read(gsl::span<std::uint8_t> buffer, Context const& context) {
  Expects(!buffer.empty());
  return OrOutOfMemory([&] {
    while (!Advance(context)) {
      request_->Wait(context);
    }
    return Take(buffer);
  });
}

void ResponseBody::ReadAsync(gsl::span<std::uint8_t> buffer, Context const& context, Completion<std::size_t> done) {
  Expects(!buffer.empty());
  executor_([this, buffer, context, done = std::move(done)] { ReadOn(buffer, context, done); });
}

/// On the executor.
void ResponseBody::ReadOn(gsl::span<std::uint8_t> buffer, Context const& context, Completion<std::size_t> const& done) {
  std::exception_ptr failure;
  std::size_t count = 0;
  try {
    if (!Advance(context)) {
      return request_->WhenOver(context, executor_, [this, buffer, context, done] { ReadOn(buffer, context, done); });
    }
    count = Take(buffer);
  } catch (...) {
    failure = CurrentOrOutOfMemory();
  }
  if (failure) {
    return done(std::move(failure));
  }
  done(count);
}

/// Goes on until there is a piece, or the body has ended, and returns true; or until there is something to wait for.
bool ResponseBody::Advance(Context const& context) {
  if (failure_) {
    std::rethrow_exception(failure_);
  }
  try {
    return Step(context);
  } catch (...) {
    failure_ = std::current_exception();
    throw;
  }
}

bool ResponseBody::Step(Context const& context) {
  constexpr char const* what = "Reading the answer";
  switch (stage_) {
    case Stage::Resting:
      if (request_) {
        request_->ThrowIfEnded(what, context);
      }
      if (!piece_.empty() || !request_) {
        return true;
      }
      request_->BeginQuery();
      stage_ = Stage::Asking;
      return false;
    case Stage::Asking:
      request_->Finish(what, context);
      stage_ = Stage::Resting;
      if (request_->Count() == 0) {
        FinishAt(received_);
        return true;
      }
      request_->BeginRead();
      stage_ = Stage::Reading;
      return false;
    case Stage::Reading:
      request_->Finish(what, context);
      stage_ = Stage::Resting;
      piece_ = request_->Piece();
      received_ += piece_.size();
      if (piece_.empty()) {
        FinishAt(received_);
      }
      return true;
  }
  return true;
}

std::size_t ResponseBody::Take(gsl::span<std::uint8_t> buffer) {
  auto const count = std::min(buffer.size(), piece_.size());
  std::copy_n(piece_.begin(), count, buffer.begin());
  piece_ = piece_.subspan(count);
  if (piece_.empty() && length_ && received_ == *length_ && request_) {
    FinishAt(received_);
  }
  return count;
}

/// RFC 9112 section 8: fewer bytes than Content-Length says is an answer that was cut off.
void ResponseBody::FinishAt(std::uint64_t received) {
  auto const request = std::move(request_);
  if (length_ && received != *length_) {
    ErrorDetails details{
        errors::ConnectionLost,
        request->Progress().Host + ": the connection was lost in the middle of the answer's body",
        "Check that the service is up and that a firewall or proxy on the way lets the connection through"};
    details.Transient = true;
    throw Error{std::move(details)};
  }
}

}  // namespace mtlspop::schannel
