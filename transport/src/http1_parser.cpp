#include "http1_parser.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <string_view>
#include <tuple>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

namespace mtlspop {
namespace {

namespace http = boost::beast::http;
using boost::beast::error_code;
using boost::beast::string_view;

/// A chunk header: size, CRLF of the chunk before, CRLF of its own.
constexpr std::size_t ChunkHeaderBytes = 32;
/// Where the code ends.
constexpr std::size_t AfterCode = std::string_view{"HTTP/1.1 200"}.size();
/// "HTTP/1.1 200 " and CRLF.
constexpr std::size_t StatusLineBytes = 15;
/// "0\r\n\r\n".
constexpr std::size_t ShortestChunkedBody = 5;

[[noreturn]] void ThrowLimit(ErrorCode code, std::string what, char const* option) {
  throw Error{ErrorDetails{
      code, std::move(what),
      std::string{"Check what the server sends; if it is as it should be, raise TransportLimits::"} + option}};
}

[[noreturn]] void ThrowMalformed(std::string const& why) {
  throw Error{ErrorDetails{
      errors::MalformedResponse, "The answer is not well-formed HTTP/1.1: " + why,
      "Look at the server, or at the proxy before it, that sends it; the connection was closed"}};
}

}  // namespace

class Http1Parser::Impl final : public http::basic_parser<false> {
 public:
  Impl(TransportLimits const& limits, std::string_view method)
      : limits_(limits), isConnect_(method == "CONNECT"), isHead_(method == "HEAD" || isConnect_) {
    // Our own limits come first, with errors that name the option.
    header_limit(static_cast<std::uint32_t>(
        std::min<std::size_t>(limits.HeaderBytes + 1024, std::numeric_limits<std::uint32_t>::max())));
    body_limit(std::numeric_limits<std::uint64_t>::max());
    skip(isHead_);
    fields_.reserve(12);
  }

  std::size_t ParseHead(gsl::span<std::uint8_t const> bytes);
  Progress ParseChunked(gsl::span<std::uint8_t const> bytes, gsl::span<std::uint8_t> body);

  BodyFraming Framing() const noexcept;

  int status_ = 0;
  std::string reason_;
  std::vector<Headers::Field> fields_;
  std::uint64_t contentLength_ = 0;
  bool hasContentLength_ = false;

 private:
  void on_request_impl(http::verb, string_view, string_view, int, error_code&) override {}
  void on_response_impl(int code, string_view reason, int version, error_code& ec) override;
  void on_field_impl(http::field name, string_view nameText, string_view value, error_code& ec) override;
  void on_header_impl(error_code&) override {
    headDone_ = true;
    fieldCount_ = 0;  // trailers have as many of their own
  }
  void on_body_init_impl(boost::optional<std::uint64_t> const&, error_code&) override {}
  std::size_t on_body_impl(string_view, error_code&) override { return 0; }
  void on_chunk_header_impl(std::uint64_t size, string_view extensions, error_code& ec) override;
  std::size_t on_chunk_body_impl(std::uint64_t remain, string_view body, error_code& ec) override;
  void on_finish_impl(error_code&) override {}

  void NoteContentLength(string_view value);
  std::size_t Put(gsl::span<std::uint8_t const> bytes);
  bool IsReadOtherwise(gsl::span<std::uint8_t const> bytes) const noexcept;
  std::string Rewrite(std::string_view head) const;
  void CheckPartOfHead(gsl::span<std::uint8_t const> bytes) const;
  void CheckPartOfChunk(gsl::span<std::uint8_t const> bytes);
  [[noreturn]] void ThrowLineLimit() const;
  [[noreturn]] void ThrowCountLimit() const;
  [[noreturn]] void ThrowChunkExtensionLimit() const;

  /// By value: an answer may outlive the transport whose options these were.
  TransportLimits limits_;
  bool isConnect_;
  bool isHead_;
  bool headDone_ = false;
  bool isHttp11_ = false;
  bool chunked_ = false;
  bool chunkSeen_ = false;
  std::size_t fieldCount_ = 0;
  std::size_t headUsed_ = 0;
  gsl::span<std::uint8_t> target_;
  std::size_t written_ = 0;
};

void Http1Parser::Impl::on_response_impl(int code, string_view reason, int version, error_code&) {
  if (code < 100 || code == 101) {
    ThrowMalformed("its status code is not from 100 to 999, or switches to a protocol that nobody asked for");
  }
  if (reason.size() + StatusLineBytes > limits_.LineBytes) {
    ThrowLineLimit();
  }
  status_ = code;
  reason_.assign(reason.data(), reason.size());
  isHttp11_ = version >= 11;
}

void Http1Parser::Impl::on_field_impl(http::field name, string_view nameText, string_view value, error_code&) {
  if (++fieldCount_ > limits_.HeaderCount) {
    ThrowCountLimit();
  }
  if (nameText.size() + value.size() + 4 > limits_.LineBytes) {
    ThrowLineLimit();
  }
  if (headDone_) {
    // A trailer: nothing here needs one, and taking it for a header would let it override one (RFC 9110 section 6.5.1).
    return;
  }
  if (name == http::field::content_length) {
    NoteContentLength(value);
  } else if (name == http::field::transfer_encoding) {
    bool const plainChunked = EqualsIgnoreCase({value.data(), value.size()}, "chunked");
    if (chunked_ || !plainChunked || !isHttp11_) {
      ThrowMalformed("it has a Transfer-Encoding other than a single \"chunked\"");
    }
    chunked_ = true;
  }
  if (chunked_ && hasContentLength_) {
    ThrowMalformed("it has both Content-Length and Transfer-Encoding");
  }
  fields_.emplace_back(
      std::piecewise_construct, std::forward_as_tuple(nameText.data(), nameText.size()),
      std::forward_as_tuple(value.data(), value.size()));
}

void Http1Parser::Impl::NoteContentLength(string_view value) {
  if (hasContentLength_) {
    ThrowMalformed("it has more than one Content-Length");
  }
  if (value.empty() || value.size() > 18 ||
      !std::all_of(value.begin(), value.end(), [](char digit) { return digit >= '0' && digit <= '9'; })) {
    ThrowMalformed("its Content-Length is not a number");
  }
  for (char const digit : value) {
    contentLength_ = contentLength_ * 10 + static_cast<std::uint64_t>(digit - '0');
  }
  hasContentLength_ = true;
}

void Http1Parser::Impl::on_chunk_header_impl(std::uint64_t /*size*/, string_view extensions, error_code&) {
  chunkSeen_ = true;
  if (extensions.size() > limits_.ChunkExtensionBytes) {
    ThrowChunkExtensionLimit();
  }
}

std::size_t Http1Parser::Impl::on_chunk_body_impl(std::uint64_t /*remain*/, string_view body, error_code& ec) {
  auto const count = std::min<std::size_t>(body.size(), target_.size() - written_);
  std::memcpy(target_.data() + written_, body.data(), count);
  written_ += count;
  if (written_ == target_.size()) {
    ec = http::error::need_buffer;
  }
  return count;
}

void Http1Parser::Impl::ThrowChunkExtensionLimit() const {
  ThrowLimit(
      errors::ChunkExtensionLimitExceeded,
      "A chunk extension of the answer is longer than " + std::to_string(limits_.ChunkExtensionBytes) + " bytes",
      "ChunkExtensionBytes");
}

/// While the header, or the trailers, are not complete yet: whether they can still become ones that are accepted.
void Http1Parser::Impl::CheckPartOfHead(gsl::span<std::uint8_t const> bytes) const {
  std::size_t lines = 0;
  auto const end = bytes.end();
  for (auto line = bytes.begin(); line != end;) {
    // A folded line goes on with the field before it (RFC 9112 section 5.2).
    lines += *line == ' ' || *line == '\t' ? 0 : 1;
    auto const newline = std::find(line, end, '\n');
    if (newline - line > static_cast<std::ptrdiff_t>(limits_.LineBytes)) {
      ThrowLineLimit();
    }
    line = newline == end ? end : newline + 1;
  }
  // The status line is one of them, and the last one may be half a line.
  if (lines > limits_.HeaderCount + 2) {
    ThrowCountLimit();
  }
  if (bytes.size() > limits_.HeaderBytes) {
    ThrowLimit(
        errors::HeaderBytesLimitExceeded,
        "The answer's header is larger than " + std::to_string(limits_.HeaderBytes) + " bytes", "HeaderBytes");
  }
}

void Http1Parser::Impl::ThrowLineLimit() const {
  ThrowLimit(
      errors::LineBytesLimitExceeded,
      "A header line of the answer is longer than " + std::to_string(limits_.LineBytes) + " bytes", "LineBytes");
}

void Http1Parser::Impl::ThrowCountLimit() const {
  ThrowLimit(
      errors::HeaderCountLimitExceeded,
      "The answer has more than " + std::to_string(limits_.HeaderCount) + " header fields", "HeaderCount");
}

std::size_t Http1Parser::Impl::ParseHead(gsl::span<std::uint8_t const> bytes) {
  static constexpr std::string_view start = "HTTP/1.";
  auto const compared = std::min(bytes.size(), start.size());
  if (!std::equal(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(compared), start.begin())) {
    ThrowMalformed("it does not begin with HTTP/1");
  }
  // Before that it is not known who reads it, and Beast must not have seen what it is not to read.
  if (bytes.size() < AfterCode + 2) {
    return 0;
  }
  if (IsReadOtherwise(bytes)) {
    constexpr std::string_view end = "\r\n\r\n";
    std::string_view const text{reinterpret_cast<char const*>(bytes.data()), bytes.size()};
    auto const found = text.find(end);
    if (found != std::string_view::npos) {
      headUsed_ = found + end.size();
      auto const rewritten = Rewrite(text.substr(0, headUsed_));
      static_cast<void>(Put({reinterpret_cast<std::uint8_t const*>(rewritten.data()), rewritten.size()}));
    }
  } else {
    headUsed_ += Put(bytes.subspan(headUsed_));
  }
  if (!is_header_done()) {
    CheckPartOfHead(bytes);
    return 0;
  }
  if (headUsed_ > limits_.HeaderBytes) {
    CheckPartOfHead(bytes.subspan(0, headUsed_));
  }
  return headUsed_;
}

/// Hands `bytes` to Beast. Returns how many it used.
std::size_t Http1Parser::Impl::Put(gsl::span<std::uint8_t const> bytes) {
  error_code ec;
  auto const used = put(boost::asio::const_buffer{bytes.data(), bytes.size()}, ec);
  if (ec && ec != http::error::need_more) {
    if (ec == http::error::header_limit) {
      CheckPartOfHead(bytes);
    }
    ThrowMalformed(ec.message());
  }
  return used;
}

/// Whether Beast is stricter than safety needs: a status line without the space behind its code leaves nothing open
/// (servers send it; RFC 9112 section 4 has the space before an absent reason), and a successful answer to CONNECT has no
/// framing, whatever its fields say (RFC 9112 section 6.3, 2).
bool Http1Parser::Impl::IsReadOtherwise(gsl::span<std::uint8_t const> bytes) const noexcept {
  return (bytes[AfterCode] == '\r' && bytes[AfterCode + 1] == '\n') || (isConnect_ && bytes[AfterCode - 3] == '2');
}

/// A whole header with the space, and without the framing of an answer to CONNECT.
std::string Http1Parser::Impl::Rewrite(std::string_view head) const {
  std::string rewritten;
  rewritten.reserve(head.size() + 1);
  bool left = true;
  for (bool first = true; !head.empty(); first = false) {
    auto const line = head.substr(0, head.find('\n') + 1);
    head.remove_prefix(line.size());
    auto const name = line.substr(0, line.find(':'));
    bool const framing = EqualsIgnoreCase(name, "content-length") || EqualsIgnoreCase(name, "transfer-encoding");
    bool const folded = line.front() == ' ' || line.front() == '\t';
    left = folded ? left : !(isConnect_ && framing);
    if (left) {
      rewritten.append(line);
    }
    if (first && line.find(' ') == line.rfind(' ')) {
      rewritten.insert(rewritten.size() - 2, 1, ' ');
    }
  }
  return rewritten;
}

BodyFraming Http1Parser::Impl::Framing() const noexcept {
  if (isHead_ || status_ / 100 == 1 || status_ == 204 || status_ == 304) {
    return BodyFraming::None;
  }
  if (chunked_) {
    return BodyFraming::Chunked;
  }
  if (hasContentLength_) {
    return contentLength_ == 0 ? BodyFraming::None : BodyFraming::Length;
  }
  return BodyFraming::UntilClose;
}

/// While a chunk header or the trailers are not complete yet: whether they can still become ones that are accepted.
void Http1Parser::Impl::CheckPartOfChunk(gsl::span<std::uint8_t const> bytes) {
  auto const afterFirst = bytes.size() > 2 ? bytes.begin() + 2 : bytes.end();
  bool const inFirstLine = std::find(afterFirst, bytes.end(), '\n') == bytes.end();
  if (inFirstLine && bytes.size() > limits_.ChunkExtensionBytes + ChunkHeaderBytes) {
    ThrowChunkExtensionLimit();
  }
  if (!inFirstLine) {
    CheckPartOfHead(bytes.subspan(2));
  }
}

Http1Parser::Progress Http1Parser::Impl::ParseChunked(
    gsl::span<std::uint8_t const> bytes, gsl::span<std::uint8_t> body) {
  target_ = body;
  written_ = 0;
  Progress progress;
  // Beast takes it for granted that it sees the whole of an empty body at once.
  if (!chunkSeen_ && bytes.size() < ShortestChunkedBody) {
    return progress;
  }
  while (progress.Used < bytes.size() && written_ < target_.size() && !is_done()) {
    error_code ec;
    auto const rest = bytes.subspan(progress.Used);
    auto const used = put(boost::asio::const_buffer{rest.data(), rest.size()}, ec);
    progress.Used += used;
    if (ec == http::error::need_more) {
      CheckPartOfChunk(bytes.subspan(progress.Used));
      break;
    }
    if (ec && ec != http::error::need_buffer) {
      ThrowMalformed(ec.message());
    }
  }
  progress.Written = written_;
  progress.Complete = is_done();
  return progress;
}

Http1Parser::Http1Parser(TransportLimits const& limits, std::string_view method)
    : impl_(std::make_unique<Impl>(limits, method)) {}
Http1Parser::~Http1Parser() = default;
Http1Parser::Http1Parser(Http1Parser&&) noexcept = default;
Http1Parser& Http1Parser::operator=(Http1Parser&&) noexcept = default;

std::size_t Http1Parser::ParseHead(gsl::span<std::uint8_t const> bytes) { return impl_->ParseHead(bytes); }

void Http1Parser::MoveHeadTo(Response& response) {
  response.StatusCode = impl_->status_;
  response.ReasonPhrase = std::move(impl_->reason_);
  response.Fields = Headers{std::move(impl_->fields_)};
}

int Http1Parser::StatusCode() const noexcept { return impl_->status_; }
BodyFraming Http1Parser::Framing() const noexcept { return impl_->Framing(); }
std::uint64_t Http1Parser::ContentLength() const noexcept { return impl_->contentLength_; }

bool Http1Parser::KeepsAlive() const noexcept { return Framing() != BodyFraming::UntilClose && impl_->keep_alive(); }

Http1Parser::Progress Http1Parser::ParseChunked(gsl::span<std::uint8_t const> bytes, gsl::span<std::uint8_t> body) {
  return impl_->ParseChunked(bytes, body);
}

}  // namespace mtlspop
