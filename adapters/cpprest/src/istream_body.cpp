#include "istream_body.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "await.hpp"

namespace mtlspop::cpprest {
namespace {

constexpr std::ios_base::openmode In = std::ios_base::in;

}  // namespace

IstreamBody::IstreamBody(
    concurrency::streams::istream const& stream,
    std::optional<std::uint64_t> length,
    std::size_t chunkSize,
    std::shared_ptr<TransferObserver> observer,
    pplx::scheduler_ptr scheduler)
    : buffer_(stream.streambuf()),
      length_(length),
      chunkSize_(chunkSize),
      observer_(std::move(observer)),
      scheduler_(std::move(scheduler)) {
  if (buffer_.can_seek()) start_ = buffer_.getpos(In);
}

std::size_t IstreamBody::Read(gsl::span<std::uint8_t> buffer, Context const& context) {
  observer_->Report(web::http::message_direction::upload, read_);
  auto wanted = std::min(buffer.size(), chunkSize_);
  if (length_) wanted = static_cast<std::size_t>(std::min<std::uint64_t>(wanted, *length_ - read_));
  if (wanted == 0) return 0;
  auto const count = observer_->Guard([&] { return ReadSome(buffer.first(wanted), context); });
  read_ += count;
  return count;
}

std::size_t IstreamBody::ReadSome(gsl::span<std::uint8_t> buffer, Context const& context) {
  std::uint8_t* ready = nullptr;
  std::size_t count = 0;
  if (buffer_.acquire(ready, count)) {
    // Acquired without a place to read from: the stream has ended.
    if (ready == nullptr) return 0;
    auto const taken = std::min(count, buffer.size());
    std::copy_n(ready, taken, buffer.data());
    buffer_.release(ready, taken);
    if (taken > 0) return taken;
  }
  // The stream may still write here after this call was left by way of cancellation.
  auto const staging = std::make_shared<std::vector<std::uint8_t>>(buffer.size());
  auto reading = buffer_.getn(staging->data(), staging->size());
  if (!reading.is_done()) {
    reading = reading.then([staging](std::size_t read) { return read; }, pplx::task_options(scheduler_));
  }
  auto const read = Await(std::move(reading), scheduler_, context, "reading the request's body");
  std::copy_n(staging->begin(), read, buffer.begin());
  return read;
}

bool IstreamBody::TryRewind() {
  if (read_ == 0) return true;
  if (!start_ || !buffer_.is_open() || buffer_.seekpos(*start_, In) != *start_) return false;
  read_ = 0;
  return true;
}

}  // namespace mtlspop::cpprest
