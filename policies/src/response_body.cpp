#include "response_body.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <utility>

#include <gsl/span>

namespace mtlspop {
namespace {

// What was read ahead, then the rest of the stream it was read from, then the error that the reading ahead met.
class PeekedBody final : public BodyStream {
 public:
  PeekedBody(std::string head, std::unique_ptr<BodyStream> rest, std::exception_ptr failure)
      : head_(std::move(head)), length_(rest->Length()), rest_(std::move(rest)), failure_(std::move(failure)) {}

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

  std::optional<std::uint64_t> Length() const noexcept override { return length_; }

 private:
  std::string head_;
  std::size_t position_ = 0;
  std::optional<std::uint64_t> length_;
  std::unique_ptr<BodyStream> rest_;
  std::exception_ptr failure_;
};

}  // namespace

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
  response.Body = std::make_unique<PeekedBody>(head, std::move(response.Body), std::move(failure));
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
