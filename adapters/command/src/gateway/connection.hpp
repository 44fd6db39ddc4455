#pragma once

/// @file
/// One connection of a client: requests in, answers out, one after the other (RFC 9112).

#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <gsl/span>

#include "gateway/answer_head.hpp"
#include "gateway/client_body.hpp"
#include "gateway/client_stream.hpp"
#include "gateway/connections.hpp"
#include "gateway/exchange.hpp"
#include "mtlspop/transport/outcome.hpp"

namespace mtlspop::gateway {

/// What a client may cost.
struct ConnectionLimits {
  /// Request line and fields together, in bytes.
  std::size_t HeaderBytes = std::size_t{64} * 1024;
  /// Number of fields.
  std::size_t HeaderCount = 128;
  /// From the first byte of a header to its last.
  std::chrono::milliseconds HeaderTime{10'000};
  /// From the beginning to the first byte of the first request.
  std::chrono::milliseconds FirstRequestTime{75'000};
  /// Between two requests.
  std::chrono::milliseconds IdleTime{75'000};
  /// The longest pause in a request's body; and how long in all a body may keep waiting, beside a second for each
  /// `BodyBytesPerSecond`.
  std::chrono::milliseconds BodyTime{30'000};
  std::uint64_t BodyBytesPerSecond = 1024;
  /// The longest that a client may not take a piece of an answer.
  std::chrono::milliseconds WriteTime{60'000};
  /// From the end of a request, its body included, to the header of its answer; and the longest that its server may leave what
  /// was read of the body lying.
  std::chrono::milliseconds ExchangeTime{600'000};
  /// The longest pause in a server's answer.
  std::chrono::milliseconds AnswerTime{120'000};
};

/// What was asked and answered, for logs and metrics.
struct ExchangeRecord {
  std::string Method;
  /// The path without the query.
  std::string Path;
  std::string Host;
  /// Where the request went, "" for nowhere.
  std::string Origin;
  std::string CorrelationId;
  int Status = 0;
  /// The code of a failure of the gateway's own, "" for none.
  std::string ErrorCode;
  std::uint64_t BytesIn = 0;
  std::uint64_t BytesOut = 0;
  std::chrono::microseconds Duration{};
  /// Whether the client had all of the answer.
  bool IsComplete = false;
};

/// Why a client that wanted to connect did not come in.
enum class NotAccepted {
  /// There are as many connections as there may be: it was closed.
  TooManyConnections,
  /// It is another user's, or the system did not say whose it is (where it has gone again, or there is no descriptor left to ask
  /// with): it was closed.
  OwnerNotAllowed,
  /// This process has no descriptor or memory left: it waits until there is one, or was closed for want of memory.
  NothingLeft
};

/// What the connections of one listener share.
struct ConnectionSettings {
  ConnectionLimits Limits;
  /// Called on the connection's loop; must not throw or wait.
  std::function<void(ExchangeRecord const&)> Observe = [](ExchangeRecord const&) {};
  /// A client that wanted to connect was closed, or left waiting. Called on the listener's loop; must not throw or wait.
  std::function<void(NotAccepted)> OnNotAccepted = [](NotAccepted) {};
};

/// Thread safety: what is public may be called from any thread; the rest runs on the connection's loop.
class Connection final : public std::enable_shared_from_this<Connection> {
 public:
  Connection(
      Socket socket,
      std::shared_ptr<Site> site,
      std::shared_ptr<ConnectionSettings const> settings,
      std::shared_ptr<Seat> seat);
  ~Connection();

  void Start();
  /// For `Exchange`.
  void Answer(std::uint64_t number, std::unique_ptr<Response> answer, bool closes);
  void BecomeTls(std::uint64_t number, std::shared_ptr<SSL_CTX> context, std::shared_ptr<Site> site);
  void BecomeTunnel(std::uint64_t number, TakeOver takeOver);
  void Abandon(std::uint64_t number) noexcept;
  /// On its loop.
  void SetOrigin(std::uint64_t number, std::string const& origin);

 private:
  using Parser = boost::beast::http::request_parser<boost::beast::http::buffer_body>;
  using ErrorCode = boost::system::error_code;
  using TimePoint = std::chrono::steady_clock::time_point;
  enum class Phase { Idle, Head, Exchange, Answer, Closed };

  void Finish(Ending how);
  void Next();
  void Watch();
  void OnWatched(ErrorCode problem, std::size_t count);
  void ReadHead();
  void OnHead(ErrorCode problem);
  void OnMalformed(ErrorCode problem);
  void Begin(RequestHead read);

  /// For a `ClientBody` of the request under way.
  ClientBody::Source BodySource();
  /// Reads on in the body of request `number`; 0 bytes are its end.
  void ReadBody(std::uint64_t number, gsl::span<std::uint8_t> into, Completion<std::size_t> done);
  void ReadBodyNow(gsl::span<std::uint8_t> into, Completion<std::size_t> done);
  void SendContinue(gsl::span<std::uint8_t> into, Completion<std::size_t> done);
  void OnBody(gsl::span<std::uint8_t> into, Completion<std::size_t> done, ErrorCode problem, TimePoint since);
  bool IsBodyTooSlow() const;

  void AnswerNow(std::shared_ptr<Response> answer, bool closes);
  bool CanReadOn() const;
  void WriteHead(std::shared_ptr<Response> answer, std::string text);
  gsl::span<std::uint8_t> AnswerRoom() noexcept;
  void ReadAnswer(std::shared_ptr<Response> answer);
  void OnAnswerRead(std::shared_ptr<Response> answer, Outcome<std::size_t> outcome);
  void WritePiece(std::shared_ptr<Response> answer, std::size_t count);
  void WriteAll(boost::asio::const_buffer bytes, std::function<void()> then);
  void AnswerDone();
  void CleanseAnswer() noexcept;
  void Drain(std::size_t rest);
  void Linger(std::size_t rest);
  void EndSending(std::size_t rest);

  void SetDeadline(TimePoint deadline);
  void SetDeadlineIn(std::chrono::milliseconds time);
  void OnTimer();
  void OnDeadline();
  void Record(bool isComplete);
  void Close();

  template <class Function>
  void OnLoop(Function function);
  template <class Function>
  auto Bound(Function function);

  // Last to go.
  std::shared_ptr<Seat> seat_;
  ClientStream stream_;
  std::shared_ptr<Site> site_;
  std::shared_ptr<ConnectionSettings const> const settings_;
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  boost::asio::steady_timer timer_;
  TimePoint deadline_ = TimePoint::max();
  bool timerRuns_ = false;

  Phase phase_ = Phase::Idle;
  bool watching_ = false;
  bool finishing_ = false;
  bool lingering_ = false;

  // Of the request under way.
  std::uint64_t number_ = 0;
  Context cancellation_;
  std::shared_ptr<RequestHead const> head_;
  ExchangeRecord record_;
  TimePoint began_;
  bool readingBody_ = false;
  bool continueSent_ = false;
  bool continuing_ = false;
  std::function<void()> deferredAnswer_;
  std::chrono::steady_clock::duration bodyWait_{};
  BodyEnd end_ = BodyEnd::NoBody;
  bool keepsAlive_ = true;
  std::vector<std::uint8_t> piece_;
  std::string headText_;
  /// How much of it a short answer's header and body have filled; 0 where the body goes out piece by piece.
  std::size_t filled_ = 0;
};

}  // namespace mtlspop::gateway
