#include "openssl/http1_exchange.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "openssl/answer_body.hpp"
#include "openssl/request_head.hpp"

namespace mtlspop::openssl {
namespace {

/// Room for an ordinary answer in one read.
constexpr std::size_t ReceiveStep = 4096;
/// A request body up to this size goes out together with the header, in one record.
constexpr std::size_t CoalescedBody = 8 * 1024;
/// A larger one is read and encrypted in pieces of this size.
constexpr std::size_t BodyStep = 64 * 1024;
/// "FFFFFFFF\r\n" before a chunk and "\r\n" behind it.
constexpr std::size_t ChunkPrefix = 10;
constexpr std::size_t ChunkSuffix = 2;

gsl::span<std::uint8_t const> AsBytes(std::string const& text) noexcept {
  return {reinterpret_cast<std::uint8_t const*>(text.data()), text.size()};
}

/// Overwrites what held a token, on every way out.
class Cleansed final {
 public:
  explicit Cleansed(std::string text) noexcept : text_(std::move(text)) {}
  Cleansed(Cleansed const&) = delete;
  Cleansed& operator=(Cleansed const&) = delete;
  ~Cleansed() { Cleanse(text_); }
  std::string& Text() noexcept { return text_; }

 private:
  std::string text_;
};

}  // namespace

std::unique_ptr<Response> Http1Exchange::Run(PoolSlot slot, RequestForm const& form) {
  connection_ = &slot.Get();
  waiter_.Describe("Sending the request");
  SendHeadAndBody(form);
  waiter_.Describe("Waiting for the answer");
  ReceiveHead();
  return MakeResponse(std::move(slot));
}

void Http1Exchange::SendHeadAndBody(RequestForm const& form) {
  Cleansed head{MakeRequestHead(request_, form)};
  auto& text = head.Text();
  auto const length = request_.Body ? request_.Body->Length() : 0;
  bool const small = length && *length <= CoalescedBody && !request_.ExpectContinue;
  if (small && *length != 0) {
    auto const headLength = text.size();
    text.resize(headLength + static_cast<std::size_t>(*length));
    auto rest =
        gsl::span<std::uint8_t>{reinterpret_cast<std::uint8_t*>(text.data()) + headLength, text.size() - headLength};
    while (!rest.empty()) {
      rest = rest.subspan(ReadBody(rest));
    }
  }
  if (!Write(AsBytes(text))) {
    return;
  }
  if (small) {
    bodySent_ = true;
    return;
  }
  if (request_.ExpectContinue && !AwaitContinue()) {
    return;
  }
  bool const chunked = !length;
  std::vector<std::uint8_t> buffer(ChunkPrefix + BodyStep + ChunkSuffix);
  auto const room = gsl::span<std::uint8_t>{buffer}.subspan(ChunkPrefix, BodyStep);
  std::uint64_t left = length.value_or(0);
  while (chunked || left != 0) {
    auto const count = ReadBody(
        chunked ? room : room.subspan(0, static_cast<std::size_t>(std::min<std::uint64_t>(room.size(), left))));
    gsl::span<std::uint8_t const> piece = room.subspan(0, count);
    if (chunked) {
      char prefix[ChunkPrefix + 1];
      auto const prefixLength = static_cast<std::size_t>(std::snprintf(prefix, sizeof prefix, "%zx\r\n", count));
      auto* const begin = room.data() - prefixLength;
      std::memcpy(begin, prefix, prefixLength);
      std::memcpy(room.data() + count, "\r\n", ChunkSuffix);
      piece = {begin, prefixLength + count + ChunkSuffix};
    } else {
      left -= count;
    }
    if (!Write(piece)) {
      return;
    }
    if (chunked && count == 0) {
      break;
    }
  }
  bodySent_ = true;
}

/// Some bytes of the request's body; 0 only at the end of one of unknown length.
std::size_t Http1Exchange::ReadBody(gsl::span<std::uint8_t> buffer) {
  auto const count = request_.Body->Read(buffer, waiter_.GetContext());
  if (count > buffer.size() || (count == 0 && request_.Body->Length())) {
    throw Error{ErrorDetails{
        errors::RequestBodyFailed, "The request's body has fewer bytes than its length says",
        "Correct BodyStream::Length, or pass a body that is at its beginning"}};
  }
  return count;
}

/// Waits for "100 Continue" (RFC 9110 section 10.1.1). Returns false where an answer came instead.
bool Http1Exchange::AwaitContinue() {
  auto const until = Context::Clock::now() + options_.ContinueTimeout;
  while (!continue_ && Context::Clock::now() < until) {
    auto const result = connection_->TryRead(connection_->Input().Room(ReceiveStep));
    if (result.Status == IoStatus::Done) {
      connection_->Input().Added(result.Count);
      if (LookForHead()) {
        return false;
      }
    } else if (result.Status == IoStatus::WantRead || result.Status == IoStatus::WantWrite) {
      connection_->Wait(result.Status, waiter_, until);
    } else {
      ThrowFailed(result.Status, "waiting for 100 Continue");
    }
  }
  return true;
}

/// Sends all of `bytes`. Returns false where the answer came first: nothing more is to be sent then.
bool Http1Exchange::Write(gsl::span<std::uint8_t const> bytes) {
  while (!bytes.empty()) {
    auto const result = connection_->TryWrite(bytes);
    switch (result.Status) {
      case IoStatus::Done:
        sent_ = true;
        bytes = bytes.subspan(result.Count);
        break;
      case IoStatus::WantRead:
      case IoStatus::WantWrite:
        if (connection_->WaitOrInput(result.Status, waiter_) && ReceiveSome()) {
          return false;
        }
        break;
      case IoStatus::Closed:
      case IoStatus::Lost:
      case IoStatus::Failed:
        // A server that does not want the rest may have answered before it closed (RFC 9112 section 9.6).
        if (result.Status == IoStatus::Lost && ReceiveSome()) {
          return false;
        }
        ThrowFailed(result.Status, "sending the request");
    }
  }
  return true;
}

void Http1Exchange::ReceiveHead() {
  // The answer is hardly ever here already: waiting first saves a read that finds nothing.
  if (!headComplete_ && connection_->Input().Empty() && !connection_->HasBufferedInput()) {
    connection_->Wait(IoStatus::WantRead, waiter_);
  }
  while (!headComplete_) {
    auto const result = connection_->TryRead(connection_->Input().Room(ReceiveStep));
    switch (result.Status) {
      case IoStatus::Done:
        connection_->Input().Added(result.Count);
        LookForHead();
        break;
      case IoStatus::WantRead:
      case IoStatus::WantWrite:
        connection_->Wait(result.Status, waiter_);
        break;
      case IoStatus::Closed:
      case IoStatus::Lost:
      case IoStatus::Failed:
        ThrowFailed(result.Status, "waiting for the answer");
    }
  }
}

/// While sending: takes what is there. Returns whether the answer's header is complete.
bool Http1Exchange::ReceiveSome() {
  auto const result = connection_->TryRead(connection_->Input().Room(ReceiveStep));
  if (result.Status == IoStatus::Done) {
    connection_->Input().Added(result.Count);
    return LookForHead();
  }
  if (result.Status != IoStatus::WantRead && result.Status != IoStatus::WantWrite) {
    ThrowFailed(result.Status, "sending the request");
  }
  return false;
}

/// Parses what has come in. Informational answers are counted and dropped (RFC 9110 section 15.2).
bool Http1Exchange::LookForHead() {
  received_ = true;
  auto& input = connection_->Input();
  while (!headComplete_ && !input.Empty()) {
    auto const used = parser_.ParseHead(input.Unused());
    if (used == 0) {
      break;
    }
    input.Consume(used);
    if (!parser_.IsInformational()) {
      headComplete_ = true;
      break;
    }
    continue_ = continue_ || parser_.StatusCode() == 100;
    if (++informational_ > options_.Limits.InformationalResponses) {
      throw Error{ErrorDetails{
          errors::InformationalLimitExceeded,
          "More than " + std::to_string(options_.Limits.InformationalResponses) + " informational answers came",
          "Look at the server; if it needs them, raise TransportLimits::InformationalResponses"}};
    }
    parser_ = Http1Parser{options_.Limits, request_.Method};
  }
  return headComplete_;
}

std::unique_ptr<Response> Http1Exchange::MakeResponse(PoolSlot slot) {
  auto response = std::make_unique<Response>();
  parser_.MoveHeadTo(*response);
  response->Connection = connection_->Info();
  auto& input = connection_->Input();
  auto const framing = parser_.Framing();
  bool const keep = parser_.KeepsAlive() && bodySent_;
  bool const here = framing == BodyFraming::Length && input.Size() >= parser_.ContentLength();
  if (framing != BodyFraming::None && !here) {
    response->Body = std::make_unique<AnswerBody>(std::move(slot), std::move(parser_), keep);
    return response;
  }
  // The whole answer is here: the next request can have the connection before the caller has read this one.
  std::string body;
  if (here) {
    auto const length = static_cast<std::size_t>(parser_.ContentLength());
    body.assign(reinterpret_cast<char const*>(input.Unused().data()), length);
    input.Consume(length);
  }
  response->Body = std::make_unique<MemoryBody>(std::move(body));
  // Bytes behind the end of an answer belong to nothing that was asked for.
  if (keep && input.Empty()) {
    slot.KeepConnection();
  }
  return response;
}

void Http1Exchange::ThrowFailed(IoStatus status, char const* doing) {
  bool const gone = status == IoStatus::Closed || status == IoStatus::Lost;
  lost_ = gone;
  auto details = connection_->Describe(gone ? IoStatus::Lost : status, doing);
  if (gone && bound_ && sent_ && !received_) {
    details.Code = errors::ConnectionLostDuringBinding;
    details.Action =
        "Probably the server asked for the client certificate after it had read the request (TLS 1.2 renegotiation or "
        "TLS "
        "1.3 post-handshake authentication) and something refused it: check that no middlebox on the way forbids "
        "renegotiation, that the server's own TLS settings allow it, and that the certificate is still good";
  }
  details.NothingSent = !sent_;
  throw Error{std::move(details)};
}

}  // namespace mtlspop::openssl
