#include "openssl/http1_exchange.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <exception>
#include <utility>

#include <openssl/crypto.h>
#include <gsl/util>

#include "openssl/answer_body.hpp"
#include "openssl/request_head.hpp"

namespace mtlspop::openssl {
namespace {

/// Room for an ordinary answer in one read.
constexpr std::size_t ReceiveStep = 4096;
/// A request body up to this size goes out together with the header, in one record.
constexpr std::size_t CoalescedBody = 8 * 1024;
/// A larger one is read and encrypted in pieces of this size: one TLS record, which stays in the processor's first cache
/// from the caller's stream to the cipher.
constexpr std::size_t BodyStep = 16 * 1024;
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
  auto const length = request_.Body ? request_.Body->Length() : 0;
  bool const together = length && *length <= CoalescedBody && !request_.ExpectContinue;
  if (together) {
    if (*length != 0 && dynamic_cast<MemoryBody const*>(request_.Body.get()) == nullptr) {
      // The body may take its time: the server should not wait for the end of the handshake meanwhile.
      connection_->Flush(waiter_);
    }
    AppendBody(head.Text(), static_cast<std::size_t>(*length));
  }
  if (!Write(AsBytes(head.Text()))) {
    return;
  }
  if (!together && request_.ExpectContinue && !AwaitContinue()) {
    return;
  }
  bodySent_ = together || (length ? SendBody(*length) : SendChunkedBody());
}

/// A small body goes out together with the header.
void Http1Exchange::AppendBody(std::string& text, std::size_t length) {
  for (auto left = length; left != 0;) {
    auto const used = text.size();
    text.resize(used + left + 1);
    auto* const begin = reinterpret_cast<std::uint8_t*>(text.data()) + used;
    auto const count = ReadBody({begin, left + 1}, left);
    text.resize(used + count);
    left -= count;
  }
}

/// Returns false where an answer came before the end.
bool Http1Exchange::SendBody(std::uint64_t length) {
  std::vector<std::uint8_t> buffer(BodyStep + 1);
  auto const cleanse = gsl::finally([&] { OPENSSL_cleanse(buffer.data(), buffer.size()); });
  for (auto left = length; left != 0;) {
    // Whole records, and for the last piece room to see that more would come.
    auto const room = static_cast<std::size_t>(left > BodyStep ? BodyStep : left + 1);
    auto const count = ReadBody({buffer.data(), room}, left);
    left -= count;
    if (!Write({buffer.data(), count})) {
      return false;
    }
  }
  return true;
}

/// RFC 9112 section 7.1. Returns false where an answer came before the end.
bool Http1Exchange::SendChunkedBody() {
  std::vector<std::uint8_t> buffer(BodyStep);
  auto const cleanse = gsl::finally([&] { OPENSSL_cleanse(buffer.data(), buffer.size()); });
  auto const room = gsl::span<std::uint8_t>{buffer}.subspan(ChunkPrefix, BodyStep - ChunkPrefix - ChunkSuffix);
  std::size_t count = 0;
  do {
    count = ReadBody(room, std::nullopt);
    char prefix[ChunkPrefix + 1];
    auto const prefixLength = static_cast<std::size_t>(std::snprintf(prefix, sizeof prefix, "%zx\r\n", count));
    auto* const begin = room.data() - prefixLength;
    std::memcpy(begin, prefix, prefixLength);
    std::memcpy(room.data() + count, "\r\n", ChunkSuffix);
    if (!Write({begin, prefixLength + count + ChunkSuffix})) {
      return false;
    }
  } while (count != 0);
  return true;
}

/// Some bytes of the request's body, as many as fit into `buffer`; 0 only at the end of one of unknown length. Of one of
/// known length no more than `left` may come; where `buffer` has room for more, it is seen that they would.
std::size_t Http1Exchange::ReadBody(gsl::span<std::uint8_t> buffer, std::optional<std::uint64_t> left) {
  auto const count = ReadFromBody(buffer);
  if (left && (count == 0 || count > *left)) {
    throw Error{ErrorDetails{
        errors::RequestBodyFailed,
        std::string{"The request's body has "} + (count == 0 ? "fewer" : "more") + " bytes than its length says",
        "Correct BodyStream::Length, or pass a body that is at its beginning"}};
  }
  return count;
}

std::size_t Http1Exchange::ReadFromBody(gsl::span<std::uint8_t> buffer) {
  try {
    return request_.Body->Read(buffer, waiter_.GetContext());
  } catch (Error const& error) {
    if (error.Code() == errors::Cancelled || error.Code() == errors::DeadlineExceeded) {
      throw;
    }
    ThrowBodyFailed();
  } catch (...) {
    ThrowBodyFailed();
  }
}

/// Inside a handler: keeps what was thrown as the cause.
void Http1Exchange::ThrowBodyFailed() {
  std::throw_with_nested(Error{ErrorDetails{
      errors::RequestBodyFailed, "The request's body could not be read; the connection was closed in the middle of it",
      "Look at the cause; it comes from the BodyStream that the request was given"}});
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
    } else if (Waits(result.Status)) {
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
        if (AnswerIsThere(result.Status)) {
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

/// Waits for what `status` wants, or for input. Returns whether it was the answer. What came with the end of the handshake
/// lies inside OpenSSL already, where waiting for the socket would not see it. That is looked at once for each wait: the
/// first half of a record lies there as well, and would be looked at without end.
bool Http1Exchange::AnswerIsThere(IoStatus status) {
  if (connection_->HasBufferedInput() && ReceiveSome()) {
    return true;
  }
  return connection_->WaitOrInput(status, waiter_) && ReceiveSome();
}

void Http1Exchange::ReceiveHead() {
  // The answer is hardly ever here already: where the read itself may not block, waiting first saves one that finds
  // nothing.
  if (!waiter_.MayBlock() && !headComplete_ && connection_->Input().Empty() && !connection_->HasBufferedInput()) {
    connection_->Wait(IoStatus::WantRead, waiter_);
  }
  while (!headComplete_) {
    auto const result = connection_->Read(connection_->Input().Room(ReceiveStep), waiter_);
    if (result.Status != IoStatus::Done) {
      ThrowFailed(result.Status, "waiting for the answer");
    }
    connection_->Input().Added(result.Count);
    LookForHead();
  }
}

/// While sending: takes what is there. Returns whether the answer's header is complete.
bool Http1Exchange::ReceiveSome() {
  auto const result = connection_->TryRead(connection_->Input().Room(ReceiveStep));
  if (result.Status == IoStatus::Done) {
    connection_->Input().Added(result.Count);
    return LookForHead();
  }
  if (!Waits(result.Status)) {
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
