#include "http_reader.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/buffers_range.hpp>
#include <boost/beast/http/parser.hpp>
#include <optional>
#include <vector>

#include "channel.hpp"

namespace mtlspop_emulator {
namespace {

namespace http = boost::beast::http;
using boost::system::error_code;

// A Beast body that collects its bytes, or only counts them.
struct CollectedBody {
  struct value_type {
    std::string Data;
    std::uint64_t Size = 0;
    bool Keep = true;
  };

  class reader {
   public:
    template <bool isRequest, class Fields>
    reader(http::header<isRequest, Fields>&, value_type& body) : _body(body) {}

    void init(boost::optional<std::uint64_t> const&, error_code& error) { error = {}; }

    template <class Buffers>
    std::size_t put(Buffers const& buffers, error_code& error) {
      error = {};
      std::size_t total = 0;
      for (auto const buffer : boost::beast::buffers_range_ref(buffers)) {
        if (_body.Keep) {
          _body.Data.append(static_cast<char const*>(buffer.data()), buffer.size());
        }
        total += buffer.size();
      }
      _body.Size += total;
      return total;
    }

    void finish(error_code& error) { error = {}; }

   private:
    value_type& _body;
  };
};

using Parser = http::request_parser<CollectedBody>;

constexpr std::size_t BufferSize = 16 * 1024;

std::string Text(boost::beast::string_view view) { return std::string(view.data(), view.size()); }

void CopyHead(Parser const& parser, Request& request) {
  auto const& message = parser.get();
  request = Request();
  request.Method = Text(message.method_string());
  auto const target = Text(message.target());
  auto const question = target.find('?');
  request.Path = target.substr(0, question);
  request.Query = question == std::string::npos ? std::string() : target.substr(question + 1);
  for (auto const& field : message) {
    request.Headers.push_back({Text(field.name_string()), Text(field.value())});
  }
  request.KeepAlive = message.keep_alive();
}

}  // namespace

struct HttpReader::State {
  State(Channel& stream, std::uint64_t limit) : Stream(stream), BodyLimit(limit), Buffer(BufferSize) {}

  // Feeds the parser until `done`, reading more where it needs more.
  template <typename Done>
  ReadResult Feed(Done done) {
    while (!done()) {
      if (Begin == End || NeedMore) {
        if (!Fill()) {
          return End == Buffer.size() && Begin == 0 ? ReadResult::Malformed : ReadResult::Ended;
        }
        NeedMore = false;
      }
      error_code error;
      Begin += Current->put(boost::asio::const_buffer(Buffer.data() + Begin, End - Begin), error);
      if (error == http::error::need_more) {
        NeedMore = true;
      } else if (error == http::error::body_limit) {
        return ReadResult::TooLarge;
      } else if (error) {
        return ReadResult::Malformed;
      }
    }
    return ReadResult::Done;
  }

  bool Fill() {
    if (Begin > 0) {
      std::copy(
          Buffer.begin() + static_cast<std::ptrdiff_t>(Begin), Buffer.begin() + static_cast<std::ptrdiff_t>(End),
          Buffer.begin());
      End -= Begin;
      Begin = 0;
    }
    if (End == Buffer.size()) {
      return false;
    }
    auto const count = Stream.Read(Buffer.data() + End, Buffer.size() - End);
    End += count;
    return count > 0;
  }

  Channel& Stream;
  std::uint64_t BodyLimit;
  std::vector<char> Buffer;
  std::size_t Begin = 0;
  std::size_t End = 0;
  bool NeedMore = false;
  std::optional<Parser> Current;
};

HttpReader::HttpReader(Channel& channel, std::uint64_t bodyLimit)
    : _state(std::make_unique<State>(channel, bodyLimit)) {}

HttpReader::~HttpReader() = default;

ReadResult HttpReader::ReadHead(Request& request) {
  auto& parser = _state->Current.emplace();
  parser.header_limit(BufferSize);
  parser.body_limit(_state->BodyLimit);
  parser.eager(false);
  auto const result = _state->Feed([&] { return parser.is_header_done(); });
  if (result == ReadResult::Done) {
    CopyHead(parser, request);
  }
  return result;
}

ReadResult HttpReader::ReadBody(Request& request, bool keep) {
  auto& parser = *_state->Current;
  parser.get().body().Keep = keep;
  auto const result = _state->Feed([&] { return parser.is_done(); });
  auto& body = parser.get().body();
  request.Body = std::move(body.Data);
  request.BodySize = body.Size;
  return result;
}

}  // namespace mtlspop_emulator
