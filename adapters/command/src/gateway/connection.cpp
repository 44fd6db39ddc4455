#include "gateway/connection.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/read.hpp>

#include "mtlspop/base/uuid.hpp"
#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/executor.hpp"
#include "mtlspop/transport/secret.hpp"

namespace mtlspop::gateway {
namespace {

namespace http = boost::beast::http;

// Enough for most headers; more is read where a header is longer.
constexpr std::size_t WatchedBytes = 2048;
constexpr std::size_t PieceBytes = std::size_t{64} * 1024;
constexpr std::size_t ShortAnswerBytes = std::size_t{8} * 1024;
constexpr std::size_t DrainPieceBytes = std::size_t{8} * 1024;
// In front of each piece: its length in hexadecimal digits and a line's end; behind it: a line's end.
constexpr std::size_t ChunkHeadBytes = 18;
constexpr std::size_t ChunkTailBytes = 2;
// As much of a body that nobody wants as is read to keep a connection, or to let the client read the answer.
constexpr std::size_t DrainedBytes = std::size_t{256} * 1024;
constexpr std::chrono::seconds DrainTime{5};

constexpr std::string_view Continue = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr std::string_view Established = "HTTP/1.1 200 Connection established\r\n\r\n";

std::string PathOf(std::string_view target) { return std::string{target.substr(0, target.find('?'))}; }

// The client's own, where it is one that a log line can hold. Whichever it is, log, server and client have the same.
std::string CorrelationIdOf(RequestHead const& head) {
  constexpr std::size_t longest = 128;
  auto const id = head.Fields.Get(CorrelationField);
  bool const isPlain = std::all_of(id.begin(), id.end(), [](char letter) {
    return (letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
           std::string_view{"-_.:"}.find(letter) != std::string_view::npos;
  });
  return id.empty() || id.size() > longest || !isPlain ? NewUuid() : std::string{id};
}

bool IsMalformed(boost::system::error_code const& problem) {
  return problem.category() == http::make_error_code(http::error::bad_field).category() &&
         problem != http::error::end_of_stream && problem != http::error::partial_message;
}

Failure Malformed(boost::system::error_code const& problem) {
  return ClosingFailure(
      400, "malformed_request", "The request is not as RFC 9112 has it: " + problem.message(),
      "See which client or proxy wrote this request: it could be read in two ways, and is not sent on");
}

Failure BodyTooSlow() {
  return ClosingFailure(
      408, "body_too_slow", "The request's body did not come, or came too slowly for the gateway to wait for it",
      "See what holds the program up while it sends, and send the request again");
}

Failure AnswerTooLate() {
  return ClosingFailure(
      504, "deadline_exceeded", "No answer came in the time that the gateway waits for one",
      "See what the service is doing, and send the request again");
}

Error ReadingFailed() {
  return Error{
      {errors::RequestBodyFailed, "The rest of the request's body did not come from the gateway's client",
       "See why the client gave up or was too slow"}};
}

}  // namespace

Connection::Connection(
    Socket socket,
    std::shared_ptr<Site> site,
    std::shared_ptr<ConnectionSettings const> settings,
    std::shared_ptr<Seat> seat)
    : seat_(std::move(seat)),
      stream_(std::move(socket)),
      site_(std::move(site)),
      settings_(std::move(settings)),
      buffer_(settings_->Limits.HeaderBytes + WatchedBytes),
      timer_(stream_.get_executor()) {}

Connection::~Connection() { CleanseAnswer(); }

// It may have been a token.
void Connection::CleanseAnswer() noexcept {
  Cleanse(headText_);
  Cleanse(piece_.data(), piece_.size());
}

template <class Function>
auto Connection::Bound(Function function) {
  return [self = shared_from_this(), function = std::move(function)]() mutable { function(*self); };
}

template <class Function>
void Connection::OnLoop(Function function) {
  boost::asio::post(stream_.get_executor(), Bound(std::move(function)));
}

void Connection::Start() {
  seat_->OnEnd([weak = weak_from_this()](Ending how) {
    if (auto const self = weak.lock()) self->OnLoop([how](Connection& on) { on.Finish(how); });
  });
  OnLoop([](Connection& self) { self.Next(); });
}

void Connection::Finish(Ending how) {
  finishing_ = true;
  if (how == Ending::Now || (phase_ == Phase::Idle && !watching_)) return Close();
  if (phase_ != Phase::Idle) return;
  // Not closed here: a request may have been read already. `OnWatched` comes back.
  boost::system::error_code ignored;
  stream_.Lowest().cancel(ignored);
}

void Connection::Abandon(std::uint64_t number) noexcept {
  try {
    OnLoop([number](Connection& self) {
      if (self.number_ == number && self.phase_ == Phase::Exchange) self.Close();
    });
  } catch (std::exception const&) {
    // Without memory for that the timer closes it.
  }
}

void Connection::SetOrigin(std::uint64_t number, std::string const& origin) {
  if (number_ == number) record_.Origin = origin;
}

// Requests.

void Connection::Next() {
  parser_.reset();
  cancellation_ = {};
  head_.reset();
  // Thousands may have nothing to do for a long time.
  std::vector<std::uint8_t>{}.swap(piece_);
  if (headText_.capacity() > WatchedBytes) std::string{}.swap(headText_);
  if (finishing_) return Close();
  phase_ = Phase::Idle;
  if (!watching_ && buffer_.size() > 0) return ReadHead();
  if (!watching_) buffer_.shrink_to_fit();
  SetDeadlineIn(number_ == 0 ? settings_->Limits.FirstRequestTime : settings_->Limits.IdleTime);
  Watch();
}

// The read that is under way while nothing is to be read: it notices that the client has left, and gets the beginning of the
// next request.
void Connection::Watch() {
  if (watching_ || buffer_.size() > 0) return;
  watching_ = true;
  if (buffer_.capacity() > 2 * WatchedBytes) buffer_.shrink_to_fit();
  stream_.async_read_some(
      buffer_.prepare(WatchedBytes),
      [self = shared_from_this()](ErrorCode problem, std::size_t count) { self->OnWatched(problem, count); });
}

void Connection::OnWatched(ErrorCode problem, std::size_t count) {
  watching_ = false;
  if (phase_ == Phase::Closed) return;
  if (lingering_) return EndSending(DrainedBytes);
  if (problem) return Close();
  buffer_.commit(count);
  if (phase_ == Phase::Idle) ReadHead();
}

void Connection::ReadHead() {
  phase_ = Phase::Head;
  parser_.emplace();
  parser_->header_limit(static_cast<std::uint32_t>(settings_->Limits.HeaderBytes));
  // Bodies are passed on as they come; "no limit" is taken for a limit of nothing by this version of Beast.
  parser_->body_limit(std::numeric_limits<std::uint64_t>::max());
  // Most often all of it is here: to have it parsed by a read would take another turn of the loop.
  ErrorCode result;
  buffer_.consume(parser_->put(buffer_.data(), result));
  if (result != http::error::need_more) return OnHead(result);
  SetDeadlineIn(settings_->Limits.HeaderTime);
  http::async_read_header(stream_, buffer_, *parser_, [self = shared_from_this()](ErrorCode problem, std::size_t) {
    self->OnHead(problem);
  });
}

void Connection::OnHead(ErrorCode problem) {
  if (phase_ == Phase::Closed) return;
  if (IsMalformed(problem)) return OnMalformed(problem);
  if (problem) return Close();
  Begin(HeadFrom(parser_->get().base(), parser_->keep_alive()));
}

void Connection::OnMalformed(ErrorCode problem) {
  bool const isTooLong = problem == http::error::header_limit || problem == http::error::buffer_overflow;
  RequestHead unread;
  unread.KeepsAlive = false;
  unread.CorrelationId = NewUuid();
  head_ = std::make_shared<RequestHead const>(std::move(unread));
  record_ = {};
  record_.CorrelationId = head_->CorrelationId;
  began_ = std::chrono::steady_clock::now();
  ++number_;
  phase_ = Phase::Exchange;
  AnswerNow(
      AnswerFor(
          isTooLong
              ? Failure{431, "header_too_long", "The request's header is longer than the gateway takes", "Send fewer or shorter fields"}
              : Malformed(problem)),
      true);
}

void Connection::Begin(RequestHead read) {
  phase_ = Phase::Exchange;
  ++number_;
  began_ = std::chrono::steady_clock::now();
  cancellation_ = Context{}.WithCancellation();
  readingBody_ = false;
  continueSent_ = false;
  bodyWait_ = {};
  read.CorrelationId = CorrelationIdOf(read);
  head_ = std::make_shared<RequestHead const>(std::move(read));
  auto const& head = *head_;
  record_ = {};
  record_.CorrelationId = head.CorrelationId;
  record_.Method = head.Method;
  record_.Path = PathOf(head.Target);
  record_.Host = head.Host;

  // A body has limits of its own and may take its time: what follows it is limited by `OnDeadline`.
  auto const patience =
      head.HasBody() ? cancellation_ : cancellation_.WithDeadline(began_ + settings_->Limits.ExchangeTime);
  // A little later than that, so that the answer says what took so long.
  SetDeadline(began_ + settings_->Limits.ExchangeTime + settings_->Limits.WriteTime);
  auto refusal = RefusalOf(head);
  if (!refusal && head.Fields.Size() > settings_->Limits.HeaderCount) {
    refusal =
        Failure{431, "header_too_long", "The request has more fields than the gateway takes", "Send fewer fields"};
    refusal->Closes = true;
  }
  if (refusal) return AnswerNow(AnswerFor(*refusal), true);

  std::shared_ptr<BodyStream> body;
  if (head.HasBody()) body = std::make_shared<ClientBody>(BodySource(), head.ContentLength);
  if (!body && head.Method != "CONNECT") Watch();
  site_->Handle(std::make_shared<Exchange>(shared_from_this(), number_, head_, std::move(body), patience));
}

// Their bodies.

ClientBody::Source Connection::BodySource() {
  return [weak = weak_from_this(), number = number_](auto into, auto done) {
    if (auto const self = weak.lock()) return self->ReadBody(number, into, std::move(done));
    DefaultExecutor()([done = std::move(done)] { done(std::make_exception_ptr(ReadingFailed())); });
  };
}

void Connection::ReadBody(std::uint64_t number, gsl::span<std::uint8_t> into, Completion<std::size_t> done) {
  OnLoop([number, into, done = std::move(done)](Connection& self) mutable {
    if (self.number_ != number || self.phase_ != Phase::Exchange || self.readingBody_) {
      return done(std::make_exception_ptr(ReadingFailed()));
    }
    self.readingBody_ = true;
    if (self.head_->ExpectsContinue && !self.continueSent_) return self.SendContinue(into, std::move(done));
    self.ReadBodyNow(into, std::move(done));
  });
}

void Connection::SendContinue(gsl::span<std::uint8_t> into, Completion<std::size_t> done) {
  continueSent_ = true;
  continuing_ = true;
  WriteAll(boost::asio::buffer(Continue), [self = shared_from_this(), into, done = std::move(done)]() mutable {
    self->continuing_ = false;
    self->ReadBodyNow(into, std::move(done));
    if (auto const answer = std::exchange(self->deferredAnswer_, nullptr)) answer();
  });
}

void Connection::ReadBodyNow(gsl::span<std::uint8_t> into, Completion<std::size_t> done) {
  if (phase_ == Phase::Closed || parser_->is_done()) {
    readingBody_ = false;
    if (phase_ == Phase::Closed) return done(std::make_exception_ptr(ReadingFailed()));
    SetDeadlineIn(settings_->Limits.ExchangeTime);
    Watch();
    return done(std::size_t{0});
  }
  auto& body = parser_->get().body();
  body.data = into.data();
  body.size = into.size();
  body.more = true;
  // Beast reads what there is room for, and makes room for 512 bytes by itself.
  auto const rest = parser_->content_length_remaining().value_or(PieceBytes);
  buffer_.reserve(static_cast<std::size_t>(std::min<std::uint64_t>(rest, PieceBytes)));
  SetDeadlineIn(settings_->Limits.BodyTime);
  auto const since = std::chrono::steady_clock::now();
  http::async_read_some(
      stream_, buffer_, *parser_,
      [self = shared_from_this(), into, done = std::move(done), since](ErrorCode problem, std::size_t) mutable {
        self->OnBody(into, std::move(done), problem, since);
      });
}

void Connection::OnBody(
    gsl::span<std::uint8_t> into, Completion<std::size_t> done, ErrorCode problem, TimePoint since) {
  if (phase_ == Phase::Answer) {
    // Answered meanwhile: the body is nobody's any more, and what time the answer has is its own.
    readingBody_ = false;
    if (lingering_) EndSending(DrainedBytes);
    return done(std::make_exception_ptr(ReadingFailed()));
  }
  bodyWait_ += std::chrono::steady_clock::now() - since;
  auto const count = into.size() - parser_->get().body().size;
  record_.BytesIn += count;
  bool const isBroken = problem && problem != http::error::need_buffer;
  if (phase_ == Phase::Closed || isBroken || IsBodyTooSlow()) {
    readingBody_ = false;
    if (phase_ == Phase::Closed || (isBroken && !IsMalformed(problem))) {
      Close();
    } else {
      AnswerNow(AnswerFor(isBroken ? Malformed(problem) : BodyTooSlow()), true);
    }
    return done(std::make_exception_ptr(ReadingFailed()));
  }
  if (count == 0) return ReadBodyNow(into, std::move(done));
  readingBody_ = false;
  SetDeadlineIn(settings_->Limits.ExchangeTime);
  if (parser_->is_done()) Watch();
  done(count);
}

bool Connection::IsBodyTooSlow() const {
  auto const& limits = settings_->Limits;
  auto const allowed = limits.BodyTime + std::chrono::seconds{record_.BytesIn / limits.BodyBytesPerSecond};
  return bodyWait_ > allowed;
}

// Answers.

void Connection::Answer(std::uint64_t number, std::unique_ptr<Response> answer, bool closes) {
  auto shared = std::shared_ptr<Response>{std::move(answer)};
  // At once where that is the calling thread, as for most answers.
  boost::asio::dispatch(
      stream_.get_executor(), Bound([number, answer = std::move(shared), closes](Connection& self) mutable {
        if (self.number_ == number && self.phase_ == Phase::Exchange) self.AnswerNow(std::move(answer), closes);
      }));
}

void Connection::AnswerNow(std::shared_ptr<Response> answer, bool closes) {
  if (continuing_) {
    // One write at a time.
    deferredAnswer_ = [self = this, answer = std::move(answer), closes] {
      if (self->phase_ == Phase::Exchange) self->AnswerNow(answer, closes);
    };
    return;
  }
  phase_ = Phase::Answer;
  record_.ErrorCode = std::string{answer->Fields.Get(ErrorField)};
  // A server says it where it wants to.
  if (!record_.ErrorCode.empty()) answer->Fields.Set(CorrelationField, head_->CorrelationId);
  keepsAlive_ = head_->KeepsAlive && !closes && !finishing_ && CanReadOn();
  auto head = HeadOf(*answer, *head_, keepsAlive_);
  end_ = head.End;
  record_.Status = answer->StatusCode;
  WriteHead(std::move(answer), std::move(head.Text));
}

// Whether the next request's beginning can be found: the rest of this one's body is there, or short.
bool Connection::CanReadOn() const {
  if (!parser_ || readingBody_) return false;
  if (parser_->is_done()) return true;
  if (head_->ExpectsContinue && !continueSent_) return false;
  auto const rest = parser_->content_length_remaining();
  return rest && *rest <= DrainedBytes;
}

void Connection::WriteHead(std::shared_ptr<Response> answer, std::string text) {
  headText_ = std::move(text);
  filled_ = 0;
  auto const length = answer->Body->Length();
  bool const isShort = end_ == BodyEnd::Length && length.value_or(0) <= ShortAnswerBytes;
  if (end_ == BodyEnd::NoBody || (isShort && *length == 0)) {
    return WriteAll(boost::asio::buffer(headText_), [self = shared_from_this()] { self->AnswerDone(); });
  }
  if (isShort) {
    // Together with the header, in one packet.
    filled_ = headText_.size();
    headText_.resize(filled_ + static_cast<std::size_t>(*length));
    return ReadAnswer(std::move(answer));
  }
  piece_.resize(ChunkHeadBytes + PieceBytes + ChunkTailBytes);
  WriteAll(boost::asio::buffer(headText_), [self = shared_from_this(), answer = std::move(answer)]() mutable {
    self->ReadAnswer(std::move(answer));
  });
}

// Behind the header of a short answer, else for one piece after the other.
gsl::span<std::uint8_t> Connection::AnswerRoom() noexcept {
  if (filled_ == 0) return {piece_.data() + ChunkHeadBytes, PieceBytes};
  return {reinterpret_cast<std::uint8_t*>(headText_.data()) + filled_, headText_.size() - filled_};
}

void Connection::ReadAnswer(std::shared_ptr<Response> answer) {
  if (phase_ == Phase::Closed) return;
  auto const room = AnswerRoom();
  if (answer->Body->NeverWaits()) {
    return OnAnswerRead(answer, OutcomeOf([&] { return answer->Body->Read(room, Context{}); }));
  }
  SetDeadlineIn(settings_->Limits.AnswerTime + settings_->Limits.WriteTime);
  auto const patience = cancellation_.WithTimeout(settings_->Limits.AnswerTime);
  auto& body = *answer->Body;
  body.ReadAsync(room, patience, [self = shared_from_this(), answer = std::move(answer)](Outcome<std::size_t> outcome) {
    auto shared = std::make_shared<Outcome<std::size_t>>(std::move(outcome));
    self->OnLoop([answer, shared](Connection& on) { on.OnAnswerRead(answer, std::move(*shared)); });
  });
}

void Connection::OnAnswerRead(std::shared_ptr<Response> answer, Outcome<std::size_t> outcome) {
  if (phase_ == Phase::Closed) return;
  // An answer that breaks off must not look whole.
  if (!outcome.HasValue()) return Close();
  auto const count = std::move(outcome).Take();
  record_.BytesOut += count;
  if (filled_ == 0) return WritePiece(std::move(answer), count);
  filled_ += count;
  if (filled_ == headText_.size()) {
    return WriteAll(boost::asio::buffer(headText_), [self = shared_from_this()] { self->AnswerDone(); });
  }
  if (count == 0) return Close();
  ReadAnswer(std::move(answer));
}

void Connection::WritePiece(std::shared_ptr<Response> answer, std::size_t count) {
  auto* begin = piece_.data() + ChunkHeadBytes;
  auto* end = begin + count;
  if (end_ == BodyEnd::Chunks) {
    char digits[16];
    auto const written = std::to_chars(std::begin(digits), std::end(digits), count, 16).ptr;
    *--begin = '\n';
    *--begin = '\r';
    begin = std::copy_backward(std::begin(digits), written, begin);
    // The last chunk is followed by no trailer.
    *end++ = '\r';
    *end++ = '\n';
  }
  if (begin == end) return AnswerDone();
  WriteAll(
      boost::asio::buffer(begin, static_cast<std::size_t>(end - begin)), [self = shared_from_this(), answer, count] {
        if (count == 0) return self->AnswerDone();
        self->ReadAnswer(answer);
      });
}

void Connection::WriteAll(boost::asio::const_buffer bytes, std::function<void()> then) {
  SetDeadlineIn(settings_->Limits.WriteTime);
  boost::asio::async_write(
      stream_, bytes, [self = shared_from_this(), then = std::move(then)](ErrorCode problem, std::size_t) {
        if (problem) self->Close();
        then();
      });
}

void Connection::AnswerDone() {
  if (phase_ == Phase::Closed) return;
  Record(true);
  CleanseAnswer();
  if (!keepsAlive_) return Linger(DrainedBytes);
  if (!parser_->is_done()) return Drain(DrainedBytes);
  Next();
}

// The rest of a body that the answer did not need.
void Connection::Drain(std::size_t rest) {
  if (phase_ == Phase::Closed) return;
  piece_.resize(DrainPieceBytes);
  auto& body = parser_->get().body();
  body.data = piece_.data();
  body.size = piece_.size();
  body.more = true;
  SetDeadlineIn(DrainTime);
  http::async_read_some(stream_, buffer_, *parser_, [self = shared_from_this(), rest](ErrorCode problem, std::size_t) {
    auto const count = self->piece_.size() - self->parser_->get().body().size;
    if ((problem && problem != http::error::need_buffer) || count > rest) return self->Close();
    if (self->parser_->is_done()) return self->Next();
    self->Drain(rest - count);
  });
}

// Closing what still has something to be read resets the connection, and the client may lose the answer.
void Connection::Linger(std::size_t rest) {
  // A plain client that is watched has sent nothing that is left to be read.
  if (watching_ && !stream_.IsTls()) return Close();
  SetDeadlineIn(DrainTime);
  lingering_ = true;
  if (watching_ || readingBody_) {
    // Nobody else may be reading: `OnWatched` or `OnBody` comes back.
    boost::system::error_code ignored;
    stream_.Lowest().cancel(ignored);
    return;
  }
  EndSending(rest);
}

void Connection::EndSending(std::size_t rest) {
  stream_.AsyncShutdown([self = shared_from_this(), rest](ErrorCode) {
    if (self->phase_ == Phase::Closed) return;
    self->piece_.resize(DrainPieceBytes);
    struct Reader {
      std::shared_ptr<Connection> On;
      std::size_t Rest;
      void operator()(ErrorCode problem, std::size_t count) const {
        if (problem || count >= Rest || On->phase_ == Phase::Closed) return On->Close();
        On->stream_.Lowest().async_read_some(boost::asio::buffer(On->piece_), Reader{On, Rest - count});
      }
    };
    self->stream_.Lowest().async_read_some(boost::asio::buffer(self->piece_), Reader{self, rest});
  });
}

// What becomes of a connection.

void Connection::BecomeTls(std::uint64_t number, std::shared_ptr<SSL_CTX> context, std::shared_ptr<Site> site) {
  OnLoop([number, context = std::move(context), site = std::move(site)](Connection& self) {
    if (self.number_ != number || self.phase_ != Phase::Exchange) return;
    self.phase_ = Phase::Answer;
    self.record_.Status = 200;
    self.Record(true);
    self.site_ = site;
    self.WriteAll(boost::asio::buffer(Established), [on = self.shared_from_this(), context] {
      if (on->phase_ == Phase::Closed) return;
      on->SetDeadlineIn(on->settings_->Limits.HeaderTime);
      on->stream_.AsyncHandshake(context, on->buffer_.data(), [on](ErrorCode problem, std::size_t used) {
        if (on->phase_ == Phase::Closed) return;
        if (problem) return on->Close();
        on->buffer_.consume(used);
        // What came in the clear is not read as if it had come in TLS.
        if (on->buffer_.size() > 0) return on->Close();
        on->Next();
      });
    });
  });
}

void Connection::BecomeTunnel(std::uint64_t number, TakeOver takeOver) {
  OnLoop([number, takeOver = std::move(takeOver)](Connection& self) {
    if (self.number_ != number || self.phase_ != Phase::Exchange) return;
    self.phase_ = Phase::Answer;
    self.record_.Status = 200;
    self.Record(true);
    self.WriteAll(boost::asio::buffer(Established), [on = self.shared_from_this(), takeOver] {
      if (on->phase_ == Phase::Closed) return;
      on->phase_ = Phase::Closed;
      on->SetDeadline(TimePoint::max());
      auto const early = on->buffer_.data();
      takeOver(
          std::move(on->stream_.Lowest()), std::string{static_cast<char const*>(early.data()), early.size()},
          std::move(on->seat_));
    });
  });
}

void Connection::Close() {
  if (phase_ == Phase::Closed) return;
  if (phase_ == Phase::Exchange || phase_ == Phase::Answer) Record(false);
  phase_ = Phase::Closed;
  SetDeadline(TimePoint::max());
  timer_.cancel();
  stream_.Close();
  if (cancellation_.CanBeCancelled()) cancellation_.Cancel();
}

void Connection::Record(bool isComplete) {
  if (record_.Method.empty() && record_.Status == 0) return;
  record_.Duration = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - began_);
  record_.IsComplete = isComplete;
  settings_->Observe(record_);
  record_ = {};
}

// Time.

void Connection::SetDeadlineIn(std::chrono::milliseconds time) { SetDeadline(std::chrono::steady_clock::now() + time); }

// A timer that runs is left to run where it ends before the deadline: it looks at the deadline then.
void Connection::SetDeadline(TimePoint deadline) {
  deadline_ = deadline;
  if (deadline == TimePoint::max() || (timerRuns_ && timer_.expiry() <= deadline)) return;
  timerRuns_ = true;
  timer_.expires_at(deadline);
  timer_.async_wait([weak = weak_from_this()](ErrorCode problem) {
    auto const self = weak.lock();
    if (self && problem != boost::asio::error::operation_aborted) self->OnTimer();
  });
}

void Connection::OnTimer() {
  timerRuns_ = false;
  if (phase_ == Phase::Closed || deadline_ == TimePoint::max()) return;
  if (std::chrono::steady_clock::now() >= deadline_) return OnDeadline();
  SetDeadline(deadline_);
}

// Whoever waits for an answer is told what took too long.
void Connection::OnDeadline() {
  if (phase_ != Phase::Exchange || continuing_) return Close();
  auto const given = cancellation_;
  AnswerNow(AnswerFor(readingBody_ ? BodyTooSlow() : AnswerTooLate()), true);
  if (given.CanBeCancelled()) given.Cancel();
}

}  // namespace mtlspop::gateway
