#include "body_streams.hpp"

#include <exception>

#include "azure_context.hpp"
#include "azure_failure.hpp"

namespace mtlspop::azure {

std::size_t RequestBody::Read(gsl::span<std::uint8_t> buffer, mtlspop::Context const&) {
  touched_ = true;
  return stream_.Read(buffer.data(), buffer.size(), context_);
}

std::optional<std::uint64_t> RequestBody::Length() const noexcept {
  auto const length = stream_.Length();
  if (length < 0) return std::nullopt;
  return static_cast<std::uint64_t>(length);
}

bool RequestBody::TryRewind() {
  if (!touched_) return true;
  try {
    stream_.Rewind();
  } catch (std::exception const&) {
    return false;
  }
  touched_ = false;
  return true;
}

std::int64_t ResponseBody::Length() const {
  auto const length = body_->Length();
  return length ? static_cast<std::int64_t>(*length) : -1;
}

std::size_t ResponseBody::OnRead(std::uint8_t* buffer, std::size_t count, Azure::Core::Context const& context) {
  if (count == 0) return 0;
  try {
    return body_->Read({buffer, count}, FromAzure(context));
  } catch (Error const& error) {
    ThrowAsTransportFailure(error, context);
  }
}

}  // namespace mtlspop::azure
