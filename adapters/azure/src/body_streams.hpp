#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include <azure/core/io/body_stream.hpp>

#include "mtlspop/transport/body_stream.hpp"
#include "mtlspop/transport/response.hpp"

namespace mtlspop::azure {

/// The body of an Azure request, read by this library. Borrows the stream and the context for as long as the request is
/// being sent.
class RequestBody final : public mtlspop::BodyStream {
 public:
  RequestBody(Azure::Core::IO::BodyStream& stream, Azure::Core::Context const& context) noexcept
      : stream_(stream), context_(context) {}

  std::size_t Read(gsl::span<std::uint8_t> buffer, mtlspop::Context const& context) override;
  std::optional<std::uint64_t> Length() const noexcept override;
  bool TryRewind() override;

 private:
  Azure::Core::IO::BodyStream& stream_;
  Azure::Core::Context const& context_;
  bool touched_ = false;
};

/// The body of this library's answer, read by Azure.
class ResponseBody final : public Azure::Core::IO::BodyStream {
 public:
  explicit ResponseBody(std::unique_ptr<mtlspop::BodyStream> body) noexcept : body_(std::move(body)) {}

  /// -1 where it is not known, as for Azure's own streams.
  std::int64_t Length() const override;

 private:
  std::size_t OnRead(std::uint8_t* buffer, std::size_t count, Azure::Core::Context const& context) override;

  std::unique_ptr<mtlspop::BodyStream> body_;
};

}  // namespace mtlspop::azure
