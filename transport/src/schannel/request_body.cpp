#include "schannel/request_body.hpp"

#include <array>
#include <exception>
#include <limits>
#include <vector>

#include "mtlspop/base/encoding.hpp"
#include "mtlspop/transport/error.hpp"
#include "schannel/async_request.hpp"

namespace mtlspop::schannel {
namespace {

constexpr std::size_t PieceBytes = 64 * 1024;

/// With what is being handled as its cause.
[[noreturn]] void ThrowUnreadable() {
  std::throw_with_nested(Error{ErrorDetails{
      errors::RequestBodyFailed, "The request's body could not be read", "See the cause; the body is the caller's"}});
}

std::size_t ReadPiece(BodyStream& body, gsl::span<std::uint8_t> buffer, Context const& context) {
  try {
    return body.Read(buffer, context);
  } catch (Error const& error) {
    if (error.Code() == errors::Cancelled || error.Code() == errors::DeadlineExceeded) {
      throw;
    }
    ThrowUnreadable();
  } catch (...) {
    ThrowUnreadable();
  }
}

[[noreturn]] void WrongLength() {
  throw Error{ErrorDetails{
      errors::RequestBodyFailed, "The request's body has another length than it says",
      "Correct BodyStream::Length(), or leave it out: the body is then sent in chunks"}};
}

/// RFC 9112 section 7.1: WinHTTP leaves the framing to its caller.
std::vector<std::uint8_t> Chunk(gsl::span<std::uint8_t const> data) {
  std::string size;
  for (auto left = data.size(); left != 0; left /= 16) {
    size.insert(size.begin(), encoding::HexDigits[left % 16]);
  }
  std::vector<std::uint8_t> chunk{size.begin(), size.end()};
  chunk.insert(chunk.end(), {'\r', '\n'});
  chunk.insert(chunk.end(), data.begin(), data.end());
  chunk.insert(chunk.end(), {'\r', '\n'});
  return chunk;
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

void SendRequestBody(AsyncRequest& sending, Request const& request, Context const& context) {
  if (!request.Body) {
    return;
  }
  auto const length = request.Body->Length();
  std::vector<std::uint8_t> buffer(PieceBytes);
  std::uint64_t sent = 0;
  for (;;) {
    auto const count = ReadPiece(*request.Body, buffer, context);
    sent += count;
    if (length && (sent > *length || (count == 0 && sent != *length))) {
      WrongLength();
    }
    if (count == 0) {
      break;
    }
    auto const piece = gsl::span<std::uint8_t const>{buffer}.first(count);
    if (length) {
      sending.Write(piece, context);
    } else {
      sending.Write(Chunk(piece), context);
    }
  }
  if (!length) {
    static constexpr std::array<std::uint8_t, 5> last{'0', '\r', '\n', '\r', '\n'};
    sending.Write(last, context);
  }
}

}  // namespace mtlspop::schannel
