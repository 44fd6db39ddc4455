#pragma once

/// @file
/// The body of an answer, pulled from WinHTTP.

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "mtlspop/transport/body_stream.hpp"
#include "schannel/async_request.hpp"

namespace mtlspop::schannel {

/// Keeps the request open until it is read to its end or destroyed.
class ResponseBody final : public BodyStream {
 public:
  /// `length` is what Content-Length says, none where the answer is chunked or ends with its connection. Completions run on
  /// `executor`.
  ResponseBody(AsyncRequest::Ptr request, std::optional<std::uint64_t> length, Executor executor) noexcept
      : request_(std::move(request)), length_(length), executor_(std::move(executor)) {}

  std::size_t Read(gsl::span<std::uint8_t> buffer, Context const& context) override;
  void ReadAsync(gsl::span<std::uint8_t> buffer, Context const& context, Completion<std::size_t> done) override;
  std::optional<std::uint64_t> Length() const noexcept override { return length_; }

 private:
  enum class Stage { Resting, Asking, Reading };

  void ReadOn(gsl::span<std::uint8_t> buffer, Context const& context, Completion<std::size_t> const& done);
  bool Advance(Context const& context);
  bool Step(Context const& context);
  std::size_t Take(gsl::span<std::uint8_t> buffer);
  void FinishAt(std::uint64_t received);

  /// Null when the body has ended.
  AsyncRequest::Ptr request_;
  std::optional<std::uint64_t> length_;
  Executor executor_;
  Stage stage_ = Stage::Resting;
  std::uint64_t received_ = 0;
  gsl::span<std::uint8_t const> piece_;
  std::exception_ptr failure_;
};

}  // namespace mtlspop::schannel
