#pragma once

/// @file
/// One request and its answer on one connection.

#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "http1_parser.hpp"
#include "mtlspop/transport/http_transport.hpp"
#include "openssl/connection_pool.hpp"
#include "openssl/step.hpp"

namespace mtlspop::openssl {

/// How a request is written for where it goes.
struct RequestForm {
  /// Absolute form, for a proxy that is asked for an http URL (RFC 9112 section 3.2.2).
  bool Absolute = false;
  /// The value of Proxy-Authorization; null for none.
  Secret const* ProxyAuthorization = nullptr;
  /// Of the request's body; none where it is not known, or there is none.
  std::optional<std::uint64_t> BodyLength;
};

/// A text that is overwritten on every way out: it holds a token.
class Cleansed final {
 public:
  Cleansed() = default;
  Cleansed(Cleansed const&) = delete;
  Cleansed& operator=(Cleansed const&) = delete;
  ~Cleansed() {
    if (!text_.empty()) Cleanse(text_);
  }
  std::string& Text() noexcept { return text_; }
  /// Overwrites it and gives its memory back.
  void Clear() noexcept {
    Cleanse(text_);
    std::string{}.swap(text_);
  }

 private:
  std::string text_;
};

/// Sends a request and receives the header of its answer. Sending and receiving overlap: a server may renegotiate, or
/// answer, in the middle of a request body.
///
/// Thread safety: one thread at a time, one use.
class Http1Exchange final {
 public:
  /// Borrows everything.
  /// @param mayBlock whether nothing but the other side can end it: a read may then block in place of a wait
  Http1Exchange(
      Request& request,
      TransportOptions const& options,
      std::shared_ptr<Executor const> const& callbacks,
      RequestForm form,
      bool bound,
      bool mayBlock,
      PoolSlot&& slot);
  ~Http1Exchange();
  Http1Exchange(Http1Exchange const&) = delete;
  Http1Exchange& operator=(Http1Exchange const&) = delete;

  /// Done once the answer's header is there. Where it waits for the body, a piece of it is to be put into `BodyRoom`, and
  /// `PutBody` or `FailBody` to be called before the next step.
  /// @throw Error
  Step Advance();
  gsl::span<std::uint8_t> BodyRoom() const noexcept { return bodyRoom_; }
  void PutBody(std::size_t count) noexcept { bodyCount_ = count; }
  void FailBody(std::exception_ptr failure) noexcept { bodyFailure_ = std::move(failure); }
  /// While a step waits for the body, and one of its sockets has something: takes in what the server says. Says what to wait
  /// for further beside the body; done where no more of that is wanted, as the next step finds too.
  Step Hear() noexcept;

  std::unique_ptr<Response> Take() noexcept { return std::move(response_); }
  /// Gives buffers back before a wait of unknown length.
  void FreeBuffers() noexcept {
    if (stage_ == Stage::Receive) {
      connection_->FreeBuffers();
    }
  }

  /// After it failed: whether nothing at all came back.
  bool NothingReceived() const noexcept { return !received_; }
  /// After it failed: whether nothing at all was sent.
  bool NothingSent() const noexcept { return !sent_; }
  /// After it failed: whether the connection just went away.
  bool ConnectionWasLost() const noexcept { return lost_; }

 private:
  enum class Stage { Begin, FlushHandshake, SmallBody, Head, Continue, Body, Receive, Done };

  Step Try();
  Step Begin();
  Step FlushHandshake();
  Step ReadSmallBody();
  Step SendHead();
  Step AwaitContinue();
  Step SendBody();
  void FrameChunk(std::size_t count);
  Step AwaitBody();
  Step Listen(IoStatus status);
  Step Write();
  std::optional<std::size_t> ReadBody(std::optional<std::uint64_t> left);
  [[noreturn]] static void ThrowBodyFailed(std::exception_ptr const& failure);
  Step ReceiveHead();
  IoStatus ReceiveAll();
  Step AwaitRoomAmidAnswer(IoStatus status);
  bool LookForHead();
  bool AnswerEndsSending() const noexcept;
  void MakeResponse();
  [[noreturn]] void ThrowFailed(IoStatus status, char const* doing);

  Request& request_;
  TransportOptions const& options_;
  std::shared_ptr<Executor const> const& callbacks_;
  RequestForm form_;
  bool bound_;
  bool mayBlock_;
  PoolSlot slot_;
  Connection* connection_;
  Http1Parser parser_;
  Stage stage_ = Stage::Begin;
  /// Request line and fields, and a small body behind them.
  Cleansed head_;
  /// A piece of a larger body.
  std::vector<std::uint8_t> buffer_;
  /// What is to be sent, of these.
  gsl::span<std::uint8_t const> unsent_;
  gsl::span<std::uint8_t> bodyRoom_;
  std::optional<std::size_t> bodyCount_;
  std::exception_ptr bodyFailure_;
  std::exception_ptr heardFailure_;
  /// Of a body whose length is known.
  std::optional<std::uint64_t> length_;
  std::uint64_t left_ = 0;
  std::size_t pieces_ = 0;
  std::size_t readInTurn_ = 0;
  Context::TimePoint continueUntil_{};
  bool together_ = false;
  bool isLast_ = false;
  bool awaitedRoom_ = false;
  bool awaitedAnswer_ = false;
  std::size_t informational_ = 0;
  bool continue_ = false;
  bool headComplete_ = false;
  bool earlyAnswerEnded_ = false;
  bool bodySent_ = false;
  bool sent_ = false;
  bool received_ = false;
  bool lost_ = false;
  std::unique_ptr<Response> response_;
};

}  // namespace mtlspop::openssl
