#include "mtlspop/transport/pushed_body.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <string>
#include <system_error>
#include <utility>

#include "mtlspop/base/pending_wait.hpp"
#include "mtlspop/base/wait.hpp"
#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/executor.hpp"
#include "mtlspop/transport/secret.hpp"
#include "no_thread.hpp"

namespace mtlspop {
namespace {

constexpr char const* WaitingToRead = "Waiting for the request's body";
constexpr char const* WaitingToWrite = "Waiting for the request's body to be sent";

Error BodyFailed(char const* what, char const* action) { return Error{{errors::RequestBodyFailed, what, action}}; }

}  // namespace

/// What both ends share. `text_` holds the body from `begin_` on: what is kept of the beginning, and what is not read yet.
class BodyWriter::Channel final {
 public:
  using WakeUp = std::shared_ptr<PendingWait>;

  explicit Channel(PushedBodyOptions const& options) : options_(options) {}
  ~Channel() { Cleanse(text_); }
  Channel(Channel const&) = delete;
  Channel& operator=(Channel const&) = delete;

  PushedBodyOptions const& Options() const noexcept { return options_; }

  std::size_t Read(gsl::span<std::uint8_t> buffer, Context const& context) {
    std::unique_lock<std::mutex> lock{mutex_};
    WaitOrThrow(lock, changed_, context, WaitingToRead, [this] { return CanRead(); });
    return Take(buffer);
  }

  /// Wakes `wait` when there is something to read, the end or a failure too.
  void WakeWhenReadable(WakeUp wait) noexcept {
    {
      std::lock_guard<std::mutex> const lock{mutex_};
      if (!CanRead()) {
        waiter_ = std::move(wait);
        return;
      }
    }
    wait->Wake();
  }

  bool TryRewind() noexcept {
    std::unique_lock<std::mutex> lock{mutex_};
    if (begin_ > 0) return false;
    position_ = 0;
    return true;
  }

  void Write(gsl::span<std::uint8_t const> bytes, Context const& context) {
    std::unique_lock<std::mutex> lock{mutex_};
    if (isClosed_) {
      throw Error{
          {errors::InvalidArgument, "The body was closed before it was written to",
           "Call BodyWriter::Close when everything has been written"}};
    }
    while (!bytes.empty()) {
      WaitOrThrow(
          lock, changed_, context, WaitingToWrite, [this] { return !isRead_ || Unread() < options_.BufferBytes; });
      if (!isRead_) {
        throw BodyFailed(
            "The request ended before its body was written", "Look at the request's own failure, or its answer");
      }
      auto const count = std::min<std::size_t>(bytes.size(), options_.BufferBytes - Unread());
      text_.append(reinterpret_cast<char const*>(bytes.data()), count);
      bytes = bytes.subspan(count);
      TellReader(lock);
    }
  }

  void Close(std::exception_ptr failure) noexcept {
    std::unique_lock<std::mutex> lock{mutex_};
    if (isClosed_) return;
    isClosed_ = true;
    failure_ = std::move(failure);
    TellReader(lock);
  }

  void ReadNoMore() noexcept {
    std::lock_guard<std::mutex> const lock{mutex_};
    isRead_ = false;
    changed_.notify_all();
  }

 private:
  std::size_t Unread() const noexcept { return text_.size() - position_; }
  bool CanRead() const noexcept { return Unread() > 0 || isClosed_; }

  std::size_t Take(gsl::span<std::uint8_t> buffer) {
    if (failure_) std::rethrow_exception(failure_);
    auto const count = std::min<std::size_t>(buffer.size(), Unread());
    std::memcpy(buffer.data(), text_.data() + position_, count);
    position_ += count;
    DropWhatIsNotKept();
    changed_.notify_all();
    return count;
  }

  /// Once more was read than is kept, nothing of what was read is of use any more.
  void DropWhatIsNotKept() {
    if (begin_ == 0 && position_ <= options_.KeptBytes) return;
    if (position_ == 0) return;
    begin_ += position_;
    Cleanse(text_.data(), position_);
    text_.erase(0, position_);
    position_ = 0;
  }

  void TellReader(std::unique_lock<std::mutex>& lock) noexcept {
    changed_.notify_all();
    auto const waiter = std::exchange(waiter_, nullptr);
    lock.unlock();
    if (waiter) waiter->Wake();
    lock.lock();
  }

  PushedBodyOptions const options_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string text_;
  std::size_t position_ = 0;
  std::uint64_t begin_ = 0;
  bool isClosed_ = false;
  bool isRead_ = true;
  std::exception_ptr failure_;
  WakeUp waiter_;
};

namespace {

class PushedStream final : public BodyStream {
 public:
  explicit PushedStream(std::shared_ptr<BodyWriter::Channel> channel) noexcept : channel_(std::move(channel)) {}
  ~PushedStream() override { channel_->ReadNoMore(); }
  PushedStream(PushedStream const&) = delete;
  PushedStream& operator=(PushedStream const&) = delete;

  std::size_t Read(gsl::span<std::uint8_t> buffer, Context const& context) override {
    return channel_->Read(buffer, context);
  }

  void ReadAsync(gsl::span<std::uint8_t> buffer, Context const& context, Completion<std::size_t> done) override {
    std::shared_ptr<PendingWait> wait;
    try {
      wait = ContextWait<Context>::Begin(
          context, Context::TimePoint::max(), DefaultExecutor(),
          [channel = channel_, buffer, context, done = std::move(done)](WaitEnd end) {
            done(OutcomeOf([&] {
              if (end == WaitEnd::ContextEnded) context.ThrowIfEnded(WaitingToRead);
              // What woke it is there, and nobody else reads.
              return channel->Read(buffer, context);
            }));
          });
    } catch (std::system_error const& error) {
      ThrowNoThread(error);
    }
    channel_->WakeWhenReadable(wait);
  }

  std::optional<std::uint64_t> Length() const noexcept override { return channel_->Options().Length; }
  bool TryRewind() override { return channel_->TryRewind(); }

 private:
  std::shared_ptr<BodyWriter::Channel> channel_;
};

}  // namespace

BodyWriter::BodyWriter(std::shared_ptr<Channel> channel) noexcept : channel_(std::move(channel)) {}

BodyWriter::~BodyWriter() {
  try {
    throw BodyFailed("The body was not written to its end", "Call BodyWriter::Close when everything has been written");
  } catch (...) {
    channel_->Close(std::current_exception());
  }
}

void BodyWriter::Write(gsl::span<std::uint8_t const> bytes, Context const& context) { channel_->Write(bytes, context); }

void BodyWriter::Close() noexcept { channel_->Close(nullptr); }

void BodyWriter::Fail(std::exception_ptr reason) noexcept {
  try {
    try {
      std::rethrow_exception(std::move(reason));
    } catch (...) {
      std::throw_with_nested(BodyFailed("The body could not be made", "The cause says why; mend it and send again"));
    }
  } catch (...) {
    channel_->Close(std::current_exception());
  }
}

PushedBody MakePushedBody(PushedBodyOptions options) {
  if (options.BufferBytes == 0) {
    throw Error{
        {errors::InvalidArgument, "PushedBodyOptions::BufferBytes is 0", "Give at least 1, or leave the default"}};
  }
  auto const channel = std::make_shared<BodyWriter::Channel>(options);
  auto writer = std::make_shared<BodyWriter>(channel);
  return {std::make_shared<PushedStream>(channel), std::move(writer)};
}

BodyWriterBuffer::BodyWriterBuffer(std::shared_ptr<BodyWriter> writer, Context context)
    : writer_(std::move(writer)), context_(std::move(context)) {
  setp(buffer_.data(), buffer_.data() + buffer_.size());
}

void BodyWriterBuffer::Close() {
  if (!HandOn()) std::rethrow_exception(failure_);
  writer_->Close();
}

BodyWriterBuffer::int_type BodyWriterBuffer::overflow(int_type character) {
  if (!HandOn()) return traits_type::eof();
  if (!traits_type::eq_int_type(character, traits_type::eof())) sputc(traits_type::to_char_type(character));
  return traits_type::not_eof(character);
}

int BodyWriterBuffer::sync() { return HandOn() ? 0 : -1; }

bool BodyWriterBuffer::HandOn() noexcept {
  if (failure_) return false;
  try {
    writer_->Write(
        {reinterpret_cast<std::uint8_t const*>(pbase()), static_cast<std::size_t>(pptr() - pbase())}, context_);
  } catch (...) {
    failure_ = std::current_exception();
    return false;
  }
  setp(buffer_.data(), buffer_.data() + buffer_.size());
  return true;
}

}  // namespace mtlspop
