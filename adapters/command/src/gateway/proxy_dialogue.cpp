#include "gateway/proxy_dialogue.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>

#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/redact.hpp"
#include "mtlspop/transport/secret.hpp"

namespace mtlspop::gateway {
namespace {

namespace http = boost::beast::http;
using boost::asio::ip::tcp;
using Problem = boost::system::error_code;

// Of what the tunnel's other end may say before it is spoken to.
constexpr std::size_t MostBehind = std::size_t{64} * 1024;

class ProxyDialogue final : public std::enable_shared_from_this<ProxyDialogue> {
 public:
  ProxyDialogue(
      tcp::socket& socket,
      Proxy const& proxy,
      std::string const& target,
      TransportLimits const& limits,
      Completion<std::string> done)
      : socket_(socket),
        proxy_(proxy),
        target_(target),
        limits_(limits),
        done_(std::move(done)),
        buffer_(limits.HeaderBytes + MostBehind) {}

  void Ask() {
    question_ = "CONNECT " + target_ + " HTTP/1.1\r\nHost: " + target_ + "\r\n";
    if (!proxy_.Authorization.Empty()) {
      // In one piece: growing would leave a copy of the credentials behind in freed memory.
      question_.reserve(question_.size() + proxy_.Authorization.Reveal().size() + 32);
      question_.append("Proxy-Authorization: ").append(proxy_.Authorization.Reveal()).append("\r\n");
    }
    question_ += "\r\n";
    boost::asio::async_write(
        socket_, boost::asio::buffer(question_), [self = shared_from_this()](Problem problem, std::size_t) {
          Cleanse(self->question_);
          if (problem) return self->Fail("closed the connection before it was asked: " + problem.message());
          self->ReadAnswer();
        });
  }

 private:
  void ReadAnswer() {
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(limits_.HeaderBytes));
    // What a success says of a body means nothing, and nobody reads that of a refusal.
    parser_->skip(true);
    http::async_read_header(socket_, buffer_, *parser_, [self = shared_from_this()](Problem problem, std::size_t) {
      self->OnAnswer(problem);
    });
  }

  void OnAnswer(Problem problem) {
    if (problem == http::error::end_of_stream || problem == http::error::partial_message) {
      return Fail("closed the connection in the place of an answer");
    }
    if (problem == http::error::header_limit || problem == http::error::buffer_overflow) {
      return Fail("answers with a header that is too long");
    }
    if (problem) return Fail("gives no answer that can be read: " + problem.message());
    auto const status = parser_->get().result_int();
    if (status / 100 == 1) {
      if (++informational_ <= limits_.InformationalResponses) return ReadAnswer();
      return Fail("sends informational answers without end");
    }
    if (status / 100 != 2) return Judge(static_cast<int>(status));
    auto const behind = buffer_.data();
    done_(std::string{static_cast<char const*>(behind.data()), behind.size()});
  }

  void Judge(int status) {
    if (status != 407) {
      return Fail(
          "refuses a tunnel to " + Redact(target_) + " with status " + std::to_string(status), status,
          "Check the proxy's rules, or put the host on NO_PROXY before mtlspop run");
    }
    bool const isKnown = !proxy_.Authorization.Empty();
    FailWith(
        {errors::ProxyAuthenticationRequired,
         "The proxy " + proxy_.Name() + (isKnown ? " refuses the credentials" : " wants credentials") +
             " with status 407",
         "Give a user name and a password in the proxy's URL, before mtlspop run; Basic is the one scheme supported"},
        status);
  }

  void Fail(
      std::string const& what,
      int status = 0,
      char const* action = "See whether an HTTP proxy listens at this address, and what it says in its log") {
    FailWith({errors::ProxyFailed, "The proxy " + proxy_.Name() + " " + what, action}, status);
  }

  void FailWith(ErrorDetails details, int status) {
    details.NothingSent = true;
    details.HttpStatus = status;
    done_(std::make_exception_ptr(Error{std::move(details)}));
  }

  tcp::socket& socket_;
  Proxy const& proxy_;
  std::string const& target_;
  TransportLimits const& limits_;
  Completion<std::string> const done_;
  /// Overwritten once it is sent, as it holds the credentials.
  std::string question_;
  boost::beast::flat_buffer buffer_;
  std::optional<http::response_parser<http::empty_body>> parser_;
  std::size_t informational_ = 0;
};

}  // namespace

void AskForTunnel(
    tcp::socket& socket,
    Proxy const& proxy,
    std::string const& target,
    TransportLimits const& limits,
    Completion<std::string> done) {
  std::make_shared<ProxyDialogue>(socket, proxy, target, limits, std::move(done))->Ask();
}

}  // namespace mtlspop::gateway
