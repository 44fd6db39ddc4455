#include "body_streams.hpp"

#include <exception>
#include <string>

#include "azure_context.hpp"
#include "azure_failure.hpp"
#include "mtlspop/transport/out_of_memory.hpp"

namespace mtlspop::azure {

bool Progress::IsOlderThan(std::chrono::milliseconds limit) const noexcept {
  return std::chrono::steady_clock::now().time_since_epoch() - std::chrono::steady_clock::duration{last_.load()} >
         limit;
}

std::size_t RequestBody::Read(gsl::span<std::uint8_t> buffer, mtlspop::Context const&) {
  touched_ = true;
  try {
    auto const count = stream_.Read(buffer.data(), buffer.size(), context_);
    progress_->Note();
    return count;
  } catch (...) {
    failure_ = std::current_exception();
    throw;
  }
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
    auto const given = OrOutOfMemory([&] {
      return body_->Read({buffer, count}, WithLimit(FromAzure(context), limits_.Wait));
    });
    read_ += given;
    if (limits_.Bytes && read_ > *limits_.Bytes) {
      throw Error{
          {errors::BufferedBodyLimitExceeded,
           "The answer's body is longer than the " + std::to_string(*limits_.Bytes) + " bytes that are buffered",
           "Read it as a stream, or raise BufferedBodyBytes of the options of the transport or credential"}};
    }
    return given;
  } catch (Error const& error) {
    ThrowAsRequestFailure(error, context);
  }
}

}  // namespace mtlspop::azure
