#include "schannel/response_body.hpp"

#include <algorithm>
#include <utility>

#include <gsl/assert>

#include "mtlspop/transport/error.hpp"

namespace mtlspop::schannel {

std::size_t ResponseBody::Read(gsl::span<std::uint8_t> buffer, Context const& context) {
  Expects(!buffer.empty());
  if (failure_) {
    std::rethrow_exception(failure_);
  }
  try {
    context.ThrowIfEnded("Reading the answer");
    if (piece_.empty() && request_) {
      Fetch(context);
    }
  } catch (...) {
    failure_ = std::current_exception();
    throw;
  }
  auto const count = std::min(buffer.size(), piece_.size());
  std::copy_n(piece_.begin(), count, buffer.begin());
  piece_ = piece_.subspan(count);
  if (piece_.empty() && length_ && received_ == *length_ && request_) {
    FinishAt(received_);
  }
  return count;
}

void ResponseBody::Fetch(Context const& context) {
  piece_ = request_->Read(context);
  received_ += piece_.size();
  if (piece_.empty()) {
    FinishAt(received_);
  }
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
