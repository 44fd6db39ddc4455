#include "response_body_writer.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "await.hpp"

namespace mtlspop::cpprest {
namespace {

// What one TLS record can hold (RFC 8446 section 5.1): more is rarely there at once.
constexpr std::size_t RecordBytes = 16 * 1024;

}  // namespace

ResponseBodyWriter::ResponseBodyWriter(
    concurrency::streams::ostream const& stream,
    bool isDefaultStream,
    std::unique_ptr<web::http::compression::decompress_provider> decompressor,
    std::size_t chunkSize,
    TransferObserver& observer,
    pplx::scheduler_ptr scheduler)
    : buffer_(stream.streambuf()),
      isDefaultStream_(isDefaultStream),
      decompressor_(std::move(decompressor)),
      chunkSize_(chunkSize),
      observer_(observer),
      scheduler_(std::move(scheduler)) {}

std::uint64_t ResponseBodyWriter::Write(BodyStream& body, Context const& context, Context::Clock::duration timeout) {
  auto const length = body.Length();
  auto const inPlace = isDefaultStream_ && !decompressor_ && length;
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

std::shared_ptr<std::vector<std::uint8_t>> ResponseBodyWriter::Decompress(
    std::vector<std::uint8_t> const& bytes, std::size_t count) {
  auto output = std::make_shared<std::vector<std::uint8_t>>(count * 3);
  std::size_t consumed = 0;
  std::size_t produced = 0;
  for (bool done = false; !done;) {
    if (produced == output->size()) output->resize(output->size() * 2);
    std::size_t processed = 0;
    auto const got = decompressor_->decompress(
        bytes.data() + consumed, count - consumed, output->data() + produced, output->size() - produced,
        web::http::compression::operation_hint::has_more, processed, done);
    consumed += processed;
    produced += got;
    if (got == 0 && (processed == 0 || consumed == count)) break;
  }
  output->resize(produced);
  return output;
}

}  // namespace mtlspop::cpprest
