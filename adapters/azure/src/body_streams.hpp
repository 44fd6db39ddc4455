#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>

#include <azure/core/io/body_stream.hpp>

#include "mtlspop/transport/body_stream.hpp"
#include "mtlspop/transport/response.hpp"

namespace mtlspop::azure {

/// When something of a request went on last.
///
/// Thread safety: all members may be called from any thread.
class Progress final {
 public:
  Progress() noexcept { Note(); }
  void Note() noexcept { last_.store(std::chrono::steady_clock::now().time_since_epoch().count()); }
  bool IsOlderThan(std::chrono::milliseconds limit) const noexcept;

 private:
  std::atomic<std::chrono::steady_clock::rep> last_{};
};

/// The body of an Azure request, read by this library. Borrows the stream and the context for as long as the request is
/// being sent.
class RequestBody final : public mtlspop::BodyStream {
 public:
  RequestBody(Azure::Core::IO::BodyStream& stream, Azure::Core::Context const& context) noexcept
      : stream_(stream), context_(context) {}

  std::size_t Read(gsl::span<std::uint8_t> buffer, mtlspop::Context const& context) override;
  std::optional<std::uint64_t> Length() const noexcept override;
  bool TryRewind() override;

  /// What the stream itself has thrown, null for nothing.
  std::exception_ptr const& Failure() const noexcept { return failure_; }
  std::shared_ptr<Progress> const& GetProgress() const noexcept { return progress_; }

 private:
  Azure::Core::IO::BodyStream& stream_;
  Azure::Core::Context const& context_;
  bool touched_ = false;
  std::exception_ptr failure_;
  std::shared_ptr<Progress> progress_ = std::make_shared<Progress>();
};

/// What an answer's body is held to.
struct BodyLimits {
  /// Longest wait for more of it; 0 for none.
  std::chrono::milliseconds Wait{};
  /// Most bytes of it; nothing for any number.
  std::optional<std::uint64_t> Bytes;
};

/// The body of this library's answer, read by Azure.
class ResponseBody final : public Azure::Core::IO::BodyStream {
 public:
  ResponseBody(std::unique_ptr<mtlspop::BodyStream> body, BodyLimits const& limits) noexcept
      : body_(std::move(body)), limits_(limits) {}

  /// -1 where it is not known, as for Azure's own streams.
  std::int64_t Length() const override;

 private:
  std::size_t OnRead(std::uint8_t* buffer, std::size_t count, Azure::Core::Context const& context) override;

  std::unique_ptr<mtlspop::BodyStream> body_;
  BodyLimits limits_;
  std::uint64_t read_ = 0;
};

}  // namespace mtlspop::azure
