#include "response_body_writer.hpp"

#include <algorithm>
#include <exception>
#include <stdexcept>
#include <utility>

#include "await.hpp"
#include "mtlspop/transport/error.hpp"

namespace mtlspop::cpprest {
namespace {

// What one TLS record can hold (RFC 8446 section 5.1): more is rarely there at once.
constexpr std::size_t RecordBytes = 16 * 1024;

Error BrokenCompression(std::string const& why) {
  return Error{
      {errors::MalformedResponse, "the answer's compressed body cannot be unpacked: " + why,
       "Look at the server, or at what stands between; without http_client_config::set_request_compressed_response "
       "nobody compresses"}};
}

}  // namespace

ResponseBodyWriter::ResponseBodyWriter(
    concurrency::streams::ostream const& stream,
    std::optional<std::size_t> bufferLimit,
    std::unique_ptr<web::http::compression::decompress_provider> decompressor,
    std::size_t chunkSize,
    TransferObserver& observer,
    pplx::scheduler_ptr scheduler)
    : buffer_(stream.streambuf()),
      bufferLimit_(bufferLimit),
      decompressor_(std::move(decompressor)),
      chunkSize_(chunkSize),
      observer_(observer),
      scheduler_(std::move(scheduler)) {}

std::uint64_t ResponseBodyWriter::Write(BodyStream& body, Context const& context, Context::Clock::duration timeout) {
  auto const length = body.Length();
  auto const inPlace = bufferLimit_ && !decompressor_ && length;
  if (inPlace) CheckLimit(*length);
  std::uint64_t total = 0;
  for (;;) {
    auto const piece = context.WithTimeout(timeout);
    auto const left = length ? *length - total : 0;
    if (inPlace && left == 0) break;
    auto const size = static_cast<std::size_t>(std::min<std::uint64_t>({left, chunkSize_, RecordBytes}));
    auto const count = inPlace ? ReadInPlace(body, size, piece) : ReadAndCopy(body, piece);
    total += count;
    observer_.Report(web::http::message_direction::download, total);
    if (count == 0) break;
  }
  if (member_ == Member::Begun) throw BrokenCompression("it ends in the middle");
  // The end is what gives the connection back to its pool.
  std::uint8_t rest = 0;
  if (inPlace) body.Read({&rest, 1}, context.WithTimeout(timeout));
  return total;
}

std::size_t ResponseBodyWriter::ReadInPlace(BodyStream& body, std::size_t size, Context const& context) {
  auto* const place = buffer_.alloc(size);
  if (place == nullptr) return ReadAndCopy(body, context);
  std::size_t count = 0;
  try {
    count = body.Read({place, size}, context);
  } catch (...) {
    buffer_.commit(0);
    throw;
  }
  buffer_.commit(count);
  return count;
}

std::size_t ResponseBodyWriter::ReadAndCopy(BodyStream& body, Context const& context) {
  if (!staging_ || staging_.use_count() > 1) {
    staging_ = std::make_shared<std::vector<std::uint8_t>>(std::min(chunkSize_, RecordBytes));
  }
  auto const count = body.Read(*staging_, context);
  if (count == 0) return 0;
  if (!decompressor_) {
    Put(staging_, count, context);
  } else if (auto const bytes = Decompress(*staging_, count); !bytes->empty()) {
    Put(bytes, bytes->size(), context);
  }
  return count;
}

void ResponseBodyWriter::Put(
    std::shared_ptr<std::vector<std::uint8_t>> const& bytes, std::size_t count, Context const& context) {
  delivered_ += count;
  CheckLimit(delivered_);
  observer_.Guard([&] {
    for (std::size_t done = 0; done < count;) {
      auto writing = buffer_.putn_nocopy(bytes->data() + done, count - done);
      if (!writing.is_done()) {
        // The stream may still read here after this call was left by way of cancellation.
        writing = writing.then([bytes](std::size_t written) { return written; }, pplx::task_options(scheduler_));
      }
      auto const written = Await(std::move(writing), scheduler_, context, "writing the answer's body");
      if (written == 0) throw std::runtime_error("the response stream takes no more bytes");
      done += written;
    }
  });
}

void ResponseBodyWriter::CheckLimit(std::uint64_t total) const {
  if (!bufferLimit_ || total <= *bufferLimit_) return;
  throw Error{
      {errors::BufferedBodyLimitExceeded,
       "the answer's body is larger than the " + std::to_string(*bufferLimit_) + " bytes that may be held in memory",
       "Have it written to a stream (http_request::set_response_stream), or raise HandlerOptions::BufferedBodyBytes"}};
}

// A gzip file is a series of members, each compressed by itself (RFC 1952 section 2.2). Other formats have one.
void ResponseBodyWriter::BeginNextMember() {
  if (member_ == Member::Ended) {
    if (decompressor_->algorithm() != web::http::compression::builtin::algorithm::GZIP) {
      throw BrokenCompression("something stands behind its end");
    }
    decompressor_->reset();
  }
  member_ = Member::Begun;
}

std::shared_ptr<std::vector<std::uint8_t>> ResponseBodyWriter::Decompress(
    std::vector<std::uint8_t> const& bytes, std::size_t count) {
  auto output = std::make_shared<std::vector<std::uint8_t>>(count * 3);
  std::size_t consumed = 0;
  std::size_t produced = 0;
  try {
    // A full buffer may leave something behind in the decompressor.
    while (consumed < count || (produced == output->size() && member_ == Member::Begun)) {
      if (produced == output->size()) output->resize(output->size() * 2);
      if (member_ != Member::Begun) BeginNextMember();
      std::size_t processed = 0;
      bool done = false;
      auto const got = decompressor_->decompress(
          bytes.data() + consumed, count - consumed, output->data() + produced, output->size() - produced,
          web::http::compression::operation_hint::has_more, processed, done);
      consumed += processed;
      produced += got;
      if (done) member_ = Member::Ended;
      if (bufferLimit_) CheckLimit(delivered_ + produced);
      if (!done && got == 0 && processed == 0) break;
    }
  } catch (Error const&) {
    throw;
  } catch (std::exception const& error) {
    std::throw_with_nested(BrokenCompression(error.what()));
  }
  if (consumed < count) throw BrokenCompression("the decompressor takes no more of it");
  output->resize(produced);
  return output;
}

}  // namespace mtlspop::cpprest
