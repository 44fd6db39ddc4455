#include "openssl/http1_exchange.hpp"

#include <cstdio>
#include <cstring>
#include <exception>
#include <utility>

#include <openssl/crypto.h>

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
/// So many full pieces of a body go out before it is looked whether the server has answered already.
constexpr std::size_t PiecesPerLook = 4;
/// So many pieces of a body that never waits go out before others have their turn, and before it is looked whether the context
/// has ended: as long as the connection has room nothing else would make this wait.
constexpr std::size_t PiecesPerTurn = 32;
/// So much of an answer is kept that comes while the request is still sent.
constexpr std::size_t MaximumEarlyAnswer = 1024 * 1024;
constexpr char const* Sending = "Sending the request";
constexpr char const* Receiving = "Waiting for the answer";

gsl::span<std::uint8_t const> AsBytes(std::string const& text) noexcept {
  return {reinterpret_cast<std::uint8_t const*>(text.data()), text.size()};
}

ErrorDetails BodyFailed() {
  return {
      errors::RequestBodyFailed, "The request's body could not be read; the connection was closed in the middle of it",
      "Look at the BodyStream that the request was given: what it threw is nested in this error"};
}

}  // namespace

Http1Exchange::Http1Exchange(
    Request& request,
    TransportOptions const& options,
    std::shared_ptr<Executor const> const& callbacks,
    RequestForm form,
    bool bound,
    bool mayBlock,
    PoolSlot&& slot)
    : request_(request),
      options_(options),
      callbacks_(callbacks),
      form_(form),
      bound_(bound),
      mayBlock_(mayBlock),
      slot_(std::move(slot)),
      connection_(&slot_.Get()),
      parser_(options.Limits, request.Method) {}

Http1Exchange::~Http1Exchange() {
  if (!buffer_.empty()) {
    OPENSSL_cleanse(buffer_.data(), buffer_.size());
  }
}

Step Http1Exchange::Advance() {
  while (stage_ != Stage::Done) {
    auto const step = Try();
    if (step.For != Awaits::Nothing) {
      return step;
    }
  }
  return {};
}

Step Http1Exchange::Try() {
  switch (stage_) {
    case Stage::Begin:
      return Begin();
    case Stage::FlushHandshake:
      return FlushHandshake();
    case Stage::SmallBody:
      return ReadSmallBody();
    case Stage::Head:
      return SendHead();
    case Stage::Continue:
      return AwaitContinue();
    case Stage::Body:
      return SendBody();
    case Stage::Receive:
      return ReceiveHead();
    case Stage::Done:
      break;
  }
  return {};
}

Step Http1Exchange::Begin() {
  head_.Text() = MakeRequestHead(request_, form_);
  length_ = request_.Body ? form_.BodyLength : 0;
  left_ = length_.value_or(0);
  together_ = length_ && *length_ <= CoalescedBody && !request_.ExpectContinue;
  stage_ = Stage::Head;
  if (together_ && *length_ != 0) {
    // The body may take its time: the server should not wait for the end of the handshake meanwhile.
    stage_ = request_.Body->NeverWaits() ? Stage::SmallBody : Stage::FlushHandshake;
  } else {
    unsent_ = AsBytes(head_.Text());
  }
  return {};
}

Step Http1Exchange::FlushHandshake() {
  auto const status = connection_->TryFlush();
  if (Waits(status)) {
    return connection_->Await(status, Sending);
  }
  if (status != IoStatus::Done) {
    throw Error{connection_->Describe(status, "sending")};
  }
  stage_ = Stage::SmallBody;
  return {};
}

/// A small body goes out together with the header.
Step Http1Exchange::ReadSmallBody() {
  if (auto const failure = std::exchange(heardFailure_, nullptr)) {
    std::rethrow_exception(failure);
  }
  auto& text = head_.Text();
  if (AnswerEndsSending()) {
    head_.Clear();
    stage_ = Stage::Receive;
    return {};
  }
  while (left_ != 0) {
    if (bodyRoom_.empty()) {
      // With room to see that more would come.
      auto const used = text.size();
      text.resize(used + left_ + 1);
      bodyRoom_ = {reinterpret_cast<std::uint8_t*>(text.data()) + used, static_cast<std::size_t>(left_) + 1};
    }
    auto const used = text.size() - bodyRoom_.size();
    auto const count = ReadBody(left_);
    if (!count) {
      return AwaitBody();
    }
    text.resize(used + *count);
    left_ -= *count;
    bodyRoom_ = {};
  }
  unsent_ = AsBytes(text);
  stage_ = Stage::Head;
  return {};
}

Step Http1Exchange::SendHead() {
  auto const step = Write();
  if (step.For != Awaits::Nothing || stage_ != Stage::Head) {
    return step;
  }
  head_.Clear();
  bodySent_ = together_;
  if (together_) {
    stage_ = Stage::Receive;
    return {};
  }
  continueUntil_ = request_.ExpectContinue ? Context::Clock::now() + options_.ContinueTimeout : Context::TimePoint{};
  stage_ = request_.ExpectContinue ? Stage::Continue : Stage::Body;
  return {};
}

/// Waits for "100 Continue" (RFC 9110 section 10.1.1). An answer that comes instead ends the sending.
Step Http1Exchange::AwaitContinue() {
  while (!continue_ && Context::Clock::now() < continueUntil_) {
    auto const result = connection_->TryRead(connection_->Input().Room(ReceiveStep));
    if (result.Status == IoStatus::Done) {
      connection_->Input().Added(result.Count);
      if (LookForHead()) {
        stage_ = Stage::Receive;
        return {};
      }
    } else if (Waits(result.Status)) {
      return connection_->Await(result.Status, Sending, continueUntil_);
    } else {
      ThrowFailed(result.Status, "waiting for 100 Continue");
    }
  }
  stage_ = Stage::Body;
  return {};
}

/// A body of known length in whole records, one of unknown length in chunks (RFC 9112 section 7.1).
Step Http1Exchange::SendBody() {
  if (auto const failure = std::exchange(heardFailure_, nullptr)) {
    std::rethrow_exception(failure);
  }
  if (buffer_.empty()) {
    buffer_.resize(BodyStep + 1);
  }
  for (;;) {
    auto const step = Write();
    if (step.For != Awaits::Nothing || stage_ != Stage::Body) {
      return step;
    }
    if (isLast_ || (length_ && left_ == 0)) {
      bodySent_ = true;
      stage_ = Stage::Receive;
      return {};
    }
    if (readInTurn_ >= PiecesPerTurn) {
      readInTurn_ = 0;
      return {Awaits::Sockets, {}, Context::Clock::now(), Sending};
    }
    if (bodyRoom_.empty()) {
      gsl::span<std::uint8_t> const buffer{buffer_};
      // For the last piece there is room to see that more would come.
      bodyRoom_ = length_ ? buffer.subspan(0, static_cast<std::size_t>(left_ > BodyStep ? BodyStep : left_ + 1))
                          : buffer.subspan(ChunkPrefix, BodyStep - ChunkPrefix - ChunkSuffix);
    }
    auto const count = ReadBody(length_ ? std::make_optional(left_) : std::nullopt);
    if (!count) {
      return AwaitBody();
    }
    if (length_) {
      left_ -= *count;
      unsent_ = bodyRoom_.subspan(0, *count);
    } else {
      FrameChunk(*count);
    }
    // A piece that came slowly, or some that came fast: the server may have answered meanwhile, and wants no more then.
    bool const look = *count + 1 < bodyRoom_.size() || ++pieces_ % PiecesPerLook == 0;
    bodyRoom_ = {};
    awaitedRoom_ = look && !headComplete_ && connection_->HasSpoken();
    if (awaitedRoom_) {
      connection_->NoteInput();
    }
  }
}

/// Waits for a piece of the body, which may be long in coming, and for what the server says meanwhile.
Step Http1Exchange::AwaitBody() {
  // What came with something else lies inside OpenSSL already, where waiting for the socket would not see it.
  auto const status = !headComplete_ && connection_->HasBufferedInput() ? ReceiveAll() : IoStatus::WantRead;
  auto const step = Listen(status);
  stage_ = step.For == Awaits::Nothing ? Stage::Receive : stage_;
  return step;
}

/// @param status of the last read
Step Http1Exchange::Listen(IoStatus status) {
  if (AnswerEndsSending()) {
    return {};
  }
  if (headComplete_ || status == IoStatus::WantKey) {
    // The key is used when the body is there: nothing else can be done until then.
    awaitedRoom_ = !headComplete_;
    connection_->NoteInput();
    return {Awaits::Body, {}, Context::TimePoint::max(), Sending};
  }
  auto step = connection_->AwaitOrInput(status, Sending);
  step.For = Awaits::Body;
  return step;
}

Step Http1Exchange::Hear() noexcept {
  try {
    return Listen(ReceiveAll());
  } catch (...) {
    heardFailure_ = std::current_exception();
    return {};
  }
}

void Http1Exchange::FrameChunk(std::size_t count) {
  char prefix[ChunkPrefix + 1];
  auto const prefixLength = static_cast<std::size_t>(std::snprintf(prefix, sizeof prefix, "%zx\r\n", count));
  auto* const begin = bodyRoom_.data() - prefixLength;
  std::memcpy(begin, prefix, prefixLength);
  std::memcpy(bodyRoom_.data() + count, "\r\n", ChunkSuffix);
  unsent_ = {begin, prefixLength + count + ChunkSuffix};
  isLast_ = count == 0;
}

/// Some bytes of the request's body in `bodyRoom_`, as many as fit; 0 only at the end of one of unknown length. Of one of
/// known length no more than `left` may come; where there is room for more, it is seen that they would. None where the
/// driver has to read it.
std::optional<std::size_t> Http1Exchange::ReadBody(std::optional<std::uint64_t> left) {
  if (!bodyCount_ && !bodyFailure_ && request_.Body->NeverWaits()) {
    ++readInTurn_;
    try {
      bodyCount_ = request_.Body->Read(bodyRoom_, {});
    } catch (...) {
      bodyFailure_ = std::current_exception();
    }
  }
  if (auto const failure = std::exchange(bodyFailure_, nullptr)) {
    ThrowBodyFailed(failure);
  }
  auto const count = std::exchange(bodyCount_, std::nullopt);
  if (count && left && (*count == 0 || *count > *left)) {
    throw Error{ErrorDetails{
        errors::RequestBodyFailed,
        std::string{"The request's body has "} + (*count == 0 ? "fewer" : "more") + " bytes than its length says",
        "Correct BodyStream::Length, or pass a body that is at its beginning"}};
  }
  return count;
}

/// Keeps what was thrown as the cause, but for the end of the context.
void Http1Exchange::ThrowBodyFailed(std::exception_ptr const& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (Error const& error) {
    if (error.Code() == errors::Cancelled || error.Code() == errors::DeadlineExceeded) {
      throw;
    }
    std::throw_with_nested(Error{BodyFailed()});
  } catch (...) {
    std::throw_with_nested(Error{BodyFailed()});
  }
}

/// Sends what is unsent. Where an answer that ends the sending comes first, nothing more is to be sent: the stage changes
/// then.
Step Http1Exchange::Write() {
  if (std::exchange(awaitedRoom_, false) && !headComplete_ && connection_->HasInput()) {
    auto const status = ReceiveAll();
    if (status == IoStatus::WantKey) {
      return connection_->Await(status, Sending);
    }
  }
  while (!unsent_.empty() && !AnswerEndsSending()) {
    auto const result = connection_->TryWrite(unsent_);
    if (result.Status == IoStatus::Done) {
      sent_ = true;
      unsent_ = unsent_.subspan(result.Count);
    } else if (Waits(result.Status)) {
      // What came with the end of the handshake lies inside OpenSSL already, where waiting for the socket would not see it.
      // That is looked at once for each wait: the first half of a record lies there as well, and would be looked at
      // without end.
      auto const status = !headComplete_ && connection_->HasBufferedInput() ? ReceiveAll() : result.Status;
      if (!headComplete_) {
        awaitedRoom_ = true;
        return connection_->AwaitOrInput(status == IoStatus::WantKey ? status : result.Status, Sending);
      }
      if (!AnswerEndsSending()) {
        return AwaitRoomAmidAnswer(result.Status);
      }
    } else if (result.Status == IoStatus::Lost && (headComplete_ || ReceiveAll() == IoStatus::Done)) {
      // A server that does not want the rest may have answered before it closed (RFC 9112 section 9.6).
      unsent_ = {};
      stage_ = Stage::Receive;
      return {};
    } else {
      ThrowFailed(result.Status, "sending the request");
    }
  }
  stage_ = AnswerEndsSending() ? Stage::Receive : stage_;
  return {};
}

Step Http1Exchange::ReceiveHead() {
  // The answer is hardly ever here already: where the read itself may not block, waiting first saves one that finds
  // nothing.
  bool const waitFirst = !mayBlock_ && !awaitedAnswer_ && !headComplete_ && connection_->Input().Empty();
  if (waitFirst && !connection_->HasBufferedInput()) {
    awaitedAnswer_ = true;
    return connection_->Await(IoStatus::WantRead, Receiving);
  }
  while (!headComplete_) {
    auto const result = connection_->Read(connection_->Input().Room(ReceiveStep), mayBlock_);
    if (Waits(result.Status)) {
      return connection_->Await(result.Status, Receiving);
    }
    if (result.Status != IoStatus::Done) {
      ThrowFailed(result.Status, "waiting for the answer");
    }
    connection_->Input().Added(result.Count);
    LookForHead();
  }
  MakeResponse();
  stage_ = Stage::Done;
  return {};
}

/// While sending: takes all that is there, since one read gives one record and others may lie in the TLS layer behind it. What
/// comes later is seen at the socket. `Done` where the answer's header is complete.
IoStatus Http1Exchange::ReceiveAll() {
  for (;;) {
    auto const result = connection_->TryRead(connection_->Input().Room(ReceiveStep));
    if (result.Status != IoStatus::Done) {
      if (!Waits(result.Status)) {
        ThrowFailed(result.Status, "sending the request");
      }
      return result.Status;
    }
    connection_->Input().Added(result.Count);
    if (LookForHead()) {
      return IoStatus::Done;
    }
  }
}

/// A server that answers while it reads, as an echo does, stops reading where nobody takes its answer: that is taken in while
/// there is no room for more of the request.
/// @throw Error `buffered_body_limit_exceeded`
Step Http1Exchange::AwaitRoomAmidAnswer(IoStatus status) {
  auto& input = connection_->Input();
  while (!earlyAnswerEnded_) {
    if (input.Size() > MaximumEarlyAnswer) {
      throw Error{ErrorDetails{
          errors::BufferedBodyLimitExceeded,
          "The server answers while it reads the request: more than " + std::to_string(MaximumEarlyAnswer) +
              " bytes came before it had read all of that",
          "Send such a server smaller requests: an answer is kept in memory until the request is sent, and no more of "
          "it"}};
    }
    auto const result = connection_->TryRead(input.Room(ReceiveStep));
    if (result.Status == IoStatus::Done) {
      input.Added(result.Count);
      continue;
    }
    if (Waits(result.Status)) {
      return connection_->AwaitOrInput(result.Status == IoStatus::WantKey ? result.Status : status, Sending);
    }
    // Whatever ended it is found again by whoever reads the answer.
    earlyAnswerEnded_ = true;
  }
  return connection_->Await(status, Sending);
}

/// An answer that came early ends the sending, unless it tells of success: such a server answers while it reads, and its
/// answer's end waits for the request's.
bool Http1Exchange::AnswerEndsSending() const noexcept { return headComplete_ && parser_.StatusCode() >= 300; }

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

void Http1Exchange::MakeResponse() {
  response_ = std::make_unique<Response>();
  parser_.MoveHeadTo(*response_);
  response_->Connection = connection_->Info();
  auto& input = connection_->Input();
  auto const framing = parser_.Framing();
  std::optional<CloseReason> closes;
  if (!parser_.KeepsAlive()) {
    closes = CloseReason::Server;
  } else if (!bodySent_) {
    closes = CloseReason::Incomplete;
  }
  bool const here = framing == BodyFraming::Length && input.Size() >= parser_.ContentLength();
  if (framing != BodyFraming::None && !here) {
    response_->Body = std::make_unique<AnswerBody>(std::move(slot_), std::move(parser_), closes, callbacks_);
    return;
  }
  // The whole answer is here: the next request can have the connection before the caller has read this one.
  std::string body;
  if (here) {
    auto const length = static_cast<std::size_t>(parser_.ContentLength());
    body.assign(reinterpret_cast<char const*>(input.Unused().data()), length);
    input.Consume(length);
  }
  response_->Body = std::make_unique<MemoryBody>(std::move(body));
  // Bytes behind the end of an answer belong to nothing that was asked for.
  if (!closes && input.Empty()) {
    slot_.KeepConnection();
  } else {
    slot_.CloseFor(closes.value_or(CloseReason::Error));
  }
}

void Http1Exchange::ThrowFailed(IoStatus status, char const* doing) {
  bool const gone = status == IoStatus::Closed || status == IoStatus::Lost;
  lost_ = gone;
  slot_.CloseFor(gone ? CloseReason::Server : CloseReason::Error);
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
