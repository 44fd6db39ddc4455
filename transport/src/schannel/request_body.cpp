#include "schannel/request_body.hpp"

#include <limits>
#include <string>

#include "mtlspop/base/encoding.hpp"
#include "mtlspop/transport/error.hpp"
#include "schannel/winhttp_functions.hpp"

namespace mtlspop::schannel {
namespace {

Error Unreadable() {
  return Error{ErrorDetails{
      errors::RequestBodyFailed, "The request's body could not be read",
      "Look at the BodyStream that the request was given: what it threw is nested in this error"}};
}

}  // namespace

std::wstring RequestBodyFields(Request const& request) {
  auto const length = request.Body ? request.Body->Length() : std::make_optional<std::uint64_t>(0);
  if (!length) {
    return L"Transfer-Encoding: chunked\r\n";
  }
  return *length > std::numeric_limits<DWORD>::max() ? L"Content-Length: " + std::to_wstring(*length) + L"\r\n"
                                                     : std::wstring{};
}

DWORD RequestTotalLength(Request const& request) {
  auto const length = request.Body ? request.Body->Length() : std::nullopt;
  return length && *length <= std::numeric_limits<DWORD>::max() ? static_cast<DWORD>(*length)
                                                                : WINHTTP_IGNORE_REQUEST_TOTAL_LENGTH;
}

void ThrowUnreadable(std::exception_ptr failure) {
  try {
    std::rethrow_exception(failure);
  } catch (Error const& error) {
    if (error.Code() == errors::Cancelled || error.Code() == errors::DeadlineExceeded) {
      throw;
    }
    std::throw_with_nested(Unreadable());
  } catch (...) {
    std::throw_with_nested(Unreadable());
  }
}

void CheckBodyLength(std::optional<std::uint64_t> length, std::uint64_t sent, bool hasEnded) {
  if (length && (sent > *length || (hasEnded && sent != *length))) {
    throw Error{ErrorDetails{
        errors::RequestBodyFailed, "The request's body has another length than it says",
        "Correct BodyStream::Length(), or leave it out: the body is then sent in chunks"}};
  }
}

/// RFC 9112 section 7.1: WinHTTP leaves the framing to its caller.
std::vector<std::uint8_t> Chunk(gsl::span<std::uint8_t const> data) {
  std::string size{data.empty() ? "0" : ""};
  for (auto left = data.size(); left != 0; left /= 16) {
    size.insert(size.begin(), encoding::HexDigits[left % 16]);
  }
  std::vector<std::uint8_t> chunk{size.begin(), size.end()};
  chunk.insert(chunk.end(), {'\r', '\n'});
  chunk.insert(chunk.end(), data.begin(), data.end());
  chunk.insert(chunk.end(), {'\r', '\n'});
  return chunk;
}

}  // namespace mtlspop::schannel
