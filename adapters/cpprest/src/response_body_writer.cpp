#include "response_body_writer.hpp"

#include <algorithm>
#include <exception>
#include <stdexcept>
#include <utility>

#include "mtlspop/transport/error.hpp"
#include "observed_task.hpp"

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
    std::unique_ptr<BodyStream> body, Target target, std::shared_ptr<TransferObserver> observer)
    : body_(std::move(body)),
      target_(std::move(target)),
      buffer_(target_.Stream.streambuf()),
      observer_(std::move(observer)),
      length_(body_->Length()),
      isInPlace_(target_.BufferLimit && !target_.Decompressor && length_) {}

void ResponseBodyWriter::Write(Context const& context, Completion<std::uint64_t> done) {
  context_ = context;
  done_ = std::move(done);
  Go([this] {
    if (isInPlace_) CheckLimit(*length_);
    return ReadNext();
  });
}

/// Goes on for as long as that needs no waiting. Nothing of this object may be touched once something has been begun that
/// goes on with it.
template <typename First>
void ResponseBodyWriter::Go(First first) {
  std::exception_ptr failure;
  try {
    auto goes = first();
    while (goes && done_) goes = ReadNext();
    return;
  } catch (...) {
    failure = std::current_exception();
  }
  End(std::move(failure));
}

ResponseBodyWriter::Goes ResponseBodyWriter::ReadNext() {
  if (isInPlace_ && Left() == 0) {
    isAtEnd_ = true;
    return Read({&rest_, 1});
  }
  if (!isInPlace_) return ReadAndCopy();
  return ReadInPlace(static_cast<std::size_t>(std::min<std::uint64_t>({Left(), target_.ChunkSize, RecordBytes})));
}

ResponseBodyWriter::Goes ResponseBodyWriter::ReadInPlace(std::size_t size) {
  auto* const place = buffer_.alloc(size);
  if (place == nullptr) return ReadAndCopy();
  isPlaceTaken_ = true;
  return Read({place, size});
}

ResponseBodyWriter::Goes ResponseBodyWriter::ReadAndCopy() {
  if (!staging_ || staging_.use_count() > 1) {
    staging_ = std::make_shared<std::vector<std::uint8_t>>(std::min(target_.ChunkSize, RecordBytes));
  }
  return Read(*staging_);
}

ResponseBodyWriter::Goes ResponseBodyWriter::Read(gsl::span<std::uint8_t> room) {
  auto const piece = context_.WithTimeout(target_.Timeout);
  if (body_->NeverWaits()) return Came(OutcomeOf([&] { return body_->Read(room, piece); }));
  body_->ReadAsync(room, piece, [self = shared_from_this()](Outcome<std::size_t> outcome) {
    self->Go([&] { return self->Came(std::move(outcome)); });
  });
  return false;
}

ResponseBodyWriter::Goes ResponseBodyWriter::Came(Outcome<std::size_t> outcome) {
  bool const isInPlace = std::exchange(isPlaceTaken_, false);
  if (isInPlace) {
    auto const count = OutcomeOf([&] { return std::move(outcome).Take(); });
    buffer_.commit(count.HasValue() ? Outcome{count}.Take() : 0);
    return Counted(Outcome{count}.Take());
  }
  auto const count = std::move(outcome).Take();
  if (isAtEnd_) {
    End(total_);
    return false;
  }
  if (count == 0) return Counted(0);
  total_ += count;
  if (!target_.Decompressor) return Put(staging_, count);
  auto bytes = Decompress(*staging_, count);
  auto const size = bytes->size();
  return Put(std::move(bytes), size);
}

/// So many bytes have come and are where they belong.
ResponseBodyWriter::Goes ResponseBodyWriter::Counted(std::size_t count) {
  total_ += count;
  observer_->Report(web::http::message_direction::download, total_);
  if (count != 0) return true;
  if (member_ == Member::Begun) throw BrokenCompression("it ends in the middle");
  End(total_);
  return false;
}

ResponseBodyWriter::Goes ResponseBodyWriter::Put(std::shared_ptr<std::vector<std::uint8_t>> bytes, std::size_t count) {
  delivered_ += count;
  CheckLimit(delivered_);
  putting_ = std::move(bytes);
  puttingCount_ = count;
  puttingDone_ = 0;
  return PutRest();
}

ResponseBodyWriter::Goes ResponseBodyWriter::PutRest() {
  while (puttingDone_ < puttingCount_) {
    auto writing = observer_->Guard(
        [&] { return buffer_.putn_nocopy(putting_->data() + puttingDone_, puttingCount_ - puttingDone_); });
    if (!writing.is_done()) {
      // The stream may still read these bytes after this was left.
      writing = writing.then([bytes = putting_](std::size_t written) { return written; }, CallbackScheduler::Options());
      WhenDone<std::size_t>(
          writing, context_.WithTimeout(target_.Timeout), "writing the answer's body",
          [self = shared_from_this()](Outcome<std::size_t> outcome) {
            self->Go([&] {
              auto const written = self->observer_->Guard([&] { return std::move(outcome).Take(); });
              return self->Taken(written) && self->PutRest();
            });
          });
      return false;
    }
    Taken(observer_->Guard([&] { return writing.get(); }));
  }
  putting_ = nullptr;
  observer_->Report(web::http::message_direction::download, total_);
  return true;
}

ResponseBodyWriter::Goes ResponseBodyWriter::Taken(std::size_t written) {
  if (written == 0) {
    observer_->Guard([] { throw std::runtime_error("the response stream takes no more bytes"); });
  }
  puttingDone_ += written;
  return true;
}

void ResponseBodyWriter::End(Outcome<std::uint64_t> outcome) {
  body_ = nullptr;
  std::exchange(done_, nullptr)(std::move(outcome));
}

void ResponseBodyWriter::CheckLimit(std::uint64_t total) const {
  if (!target_.BufferLimit || total <= *target_.BufferLimit) return;
  throw Error{
      {errors::BufferedBodyLimitExceeded,
       "the answer's body is larger than the " + std::to_string(*target_.BufferLimit) +
           " bytes that may be held in memory",
       "Have it written to a stream (http_request::set_response_stream), or raise HandlerOptions::BufferedBodyBytes"}};
}

// A gzip file is a series of members, each compressed by itself (RFC 1952 section 2.2). Other formats have one.
void ResponseBodyWriter::BeginNextMember() {
  if (member_ == Member::Ended) {
    if (target_.Decompressor->algorithm() != web::http::compression::builtin::algorithm::GZIP) {
      throw BrokenCompression("something stands behind its end");
    }
    target_.Decompressor->reset();
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
      auto const got = target_.Decompressor->decompress(
          bytes.data() + consumed, count - consumed, output->data() + produced, output->size() - produced,
          web::http::compression::operation_hint::has_more, processed, done);
      consumed += processed;
      produced += got;
      if (done) member_ = Member::Ended;
      if (target_.BufferLimit) CheckLimit(delivered_ + produced);
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
