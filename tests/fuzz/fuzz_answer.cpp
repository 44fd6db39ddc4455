// Answers as a server may send them. Whatever comes is an answer or an mtlspop::Error, and the same one however the bytes are
// cut into pieces: an answer that depends on that can be read in two ways.

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "http1_parser.hpp"
#include "mtlspop/transport/error.hpp"

namespace {

using mtlspop::BodyFraming;
using Bytes = gsl::span<std::uint8_t const>;

/// What a reader makes of a stream of bytes.
struct Reading {
  std::string Error;
  int Status = 0;
  std::string Fields;
  std::string Body;
  bool Complete = false;

  bool HasHead() const { return Status != 0; }
};

/// Gives a stream piece by piece: what was not used comes again, with more behind it.
class Input final {
 public:
  Input(Bytes stream, std::size_t step) : stream_(stream), step_(step) {}

  Bytes Here() const { return stream_.subspan(begin_, end_ - begin_); }
  void Use(std::size_t count) { begin_ += count; }
  /// False at the end of the stream.
  bool More() {
    if (end_ == stream_.size()) return false;
    end_ = std::min<std::size_t>(end_ + step_, stream_.size());
    return true;
  }

 private:
  Bytes stream_;
  std::size_t step_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

void Require(bool good) {
  if (!good) std::abort();
}

void ReadChunked(mtlspop::Http1Parser& parser, Input& input, std::size_t room, Reading& reading) {
  std::vector<std::uint8_t> buffer(room);
  for (;;) {
    auto const progress = parser.ParseChunked(input.Here(), buffer);
    Require(progress.Used <= input.Here().size() && progress.Written <= buffer.size());
    reading.Body.append(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(progress.Written));
    input.Use(progress.Used);
    if (progress.Complete) {
      reading.Complete = true;
      return;
    }
    bool const stuck = progress.Used == 0 && progress.Written == 0;
    if (stuck && !input.More()) return;
  }
}

Reading Read(Bytes stream, std::string_view method, std::size_t step, std::size_t room) {
  mtlspop::TransportLimits limits;
  limits.HeaderBytes = 2048;
  limits.HeaderCount = 32;
  limits.LineBytes = 512;
  limits.ChunkExtensionBytes = 64;
  Reading reading;
  Input input{stream, step};
  try {
    mtlspop::Http1Parser parser{limits, method};
    std::size_t used = 0;
    while ((used = parser.ParseHead(input.Here())) == 0) {
      if (!input.More()) return reading;
    }
    Require(used <= input.Here().size() && used <= limits.HeaderBytes);
    input.Use(used);
    auto const framing = parser.Framing();
    mtlspop::Response response;
    parser.MoveHeadTo(response);
    Require(response.StatusCode >= 100 && response.StatusCode <= 999 && response.Fields.Size() <= limits.HeaderCount);
    reading.Status = response.StatusCode;
    for (auto const& [name, value] : response.Fields) {
      Require(!name.empty() && value.find_first_of(std::string_view{"\r\n\0", 3}) == std::string::npos);
      reading.Fields += name + ":" + value + "\n";
    }
    if (framing == BodyFraming::Chunked) ReadChunked(parser, input, room, reading);
  } catch (mtlspop::Error const& error) {
    Require(!error.Details().What.empty() && !error.Details().Action.empty());
    reading.Error = error.Code().Name();
  }
  return reading;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (size < 2) return 0;
  auto const* const method = (data[0] & 1U) != 0 ? "HEAD" : "GET";
  std::size_t const step = 1 + data[1] % 16;
  std::size_t const room = 1 + (data[0] >> 1U);
  Bytes const stream{data + 2, size - 2};
  auto const whole = Read(stream, method, size, 64 * 1024);
  auto const pieces = Read(stream, method, step, room);
  // Where the stream ends too early, how soon its faults are seen may differ; what was accepted may not.
  Require(whole.HasHead() == pieces.HasHead() && whole.Complete == pieces.Complete);
  Require(whole.Status == pieces.Status && whole.Fields == pieces.Fields);
  if (whole.Complete) Require(whole.Body == pieces.Body);
  return 0;
}
