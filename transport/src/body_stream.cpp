#include "mtlspop/transport/body_stream.hpp"

#include <algorithm>
#include <cstring>

#include "mtlspop/transport/blocking_call.hpp"
#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/executor.hpp"
#include "mtlspop/transport/out_of_memory.hpp"
#include "mtlspop/transport/secret.hpp"

namespace mtlspop {

void BodyStream::ReadAsync(gsl::span<std::uint8_t> buffer, Context const& context, Completion<std::size_t> done) {
  CallBlocking(
      BlockingWork::Reading, context, [this, buffer](Context const& limited) { return Read(buffer, limited); },
      std::move(done));
}

MemoryBody::~MemoryBody() { Cleanse(text_); }

std::size_t MemoryBody::Read(gsl::span<std::uint8_t> buffer, Context const& /*context*/) {
  auto const count = std::min<std::size_t>(buffer.size(), text_.size() - position_);
  std::memcpy(buffer.data(), text_.data() + position_, count);
  position_ += count;
  return count;
}

void MemoryBody::ReadAsync(gsl::span<std::uint8_t> buffer, Context const& context, Completion<std::size_t> done) {
  auto const count = Read(buffer, context);
  DefaultExecutor()([count, done = std::move(done)] { done(count); });
}

bool MemoryBody::TryRewind() {
  position_ = 0;
  return true;
}

namespace {

/// Makes room for `size` bytes in all. What was there is moved and overwritten: it may be a token.
void Grow(std::string& text, std::size_t size) {
  if (size > text.capacity()) {
    std::string larger;
    larger.reserve(std::max(size, 2 * text.capacity()));
    larger = text;
    Cleanse(text);
    text.swap(larger);
  }
  text.resize(size);
}

}  // namespace

namespace {

/// What has been read of a stream that is read to its end.
class Collected final {
 public:
  /// @throw Error `buffered_body_limit_exceeded`
  Collected(std::optional<std::uint64_t> length, std::size_t limit) : length_(length), limit_(limit) {
    if (length_ && *length_ > limit_) Refuse();
    // A known length is believed only so far: memory grows with what really comes. One byte more shows the end.
    room_ = length_ ? static_cast<std::size_t>(std::min<std::uint64_t>(*length_, Step)) + 1 : std::size_t{1024};
  }

  /// What nobody took may be a token.
  ~Collected() { Cleanse(text_); }
  Collected(Collected const&) = delete;
  Collected& operator=(Collected const&) = delete;

  /// Where the next bytes go.
  gsl::span<std::uint8_t> MakeRoom() {
    used_ = text_.size();
    Grow(text_, used_ + room_);
    return {reinterpret_cast<std::uint8_t*>(text_.data()) + used_, text_.size() - used_};
  }

  /// So many came; whether there may be more.
  /// @throw Error `buffered_body_limit_exceeded`
  bool Take(std::size_t count) {
    text_.resize(used_ + count);
    if (count == 0) return false;
    if (text_.size() > limit_) Refuse();
    if (!length_) {
      room_ = Step;
    } else {
      auto const left = *length_ > text_.size() ? *length_ - text_.size() : 0;
      room_ = static_cast<std::size_t>(std::min<std::uint64_t>(left, Step)) + 1;
    }
    return true;
  }

  std::string TakeText() noexcept { return std::exchange(text_, std::string{}); }

 private:
  static constexpr std::size_t Step = 16 * 1024;

  [[noreturn]] void Refuse() const {
    throw Error{ErrorDetails{
        errors::BufferedBodyLimitExceeded,
        "The body is larger than the " + std::to_string(limit_) + " bytes that may be buffered",
        "Read it as a stream, or allow more (BufferedBodyBytes, or the argument of ReadToEnd)"}};
  }

  std::optional<std::uint64_t> const length_;
  std::size_t const limit_;
  std::size_t room_ = 0;
  std::size_t used_ = 0;
  std::string text_;
};

/// Keeps itself alive until the stream has ended.
class ReadingToEnd final : public std::enable_shared_from_this<ReadingToEnd> {
 public:
  ReadingToEnd(
      std::unique_ptr<BodyStream> stream, std::size_t limit, Context const& context, Completion<std::string> done)
      : stream_(std::move(stream)), context_(context), collected_(stream_->Length(), limit), done_(std::move(done)) {}

  void Start() {
    if (!stream_->NeverWaits()) return ReadOn();
    DefaultExecutor()([self = shared_from_this()] { self->Go(true); });
  }

 private:
  void ReadOn() {
    stream_->ReadAsync(collected_.MakeRoom(), context_, [self = shared_from_this()](Outcome<std::size_t> outcome) {
      self->Take(std::move(outcome));
    });
  }

  void Take(Outcome<std::size_t> outcome) {
    bool goes = false;
    try {
      goes = collected_.Take(std::move(outcome).Take());
    } catch (...) {
      return End(CurrentOrOutOfMemory());
    }
    Go(goes);
  }

  /// Reads what is there, and waits for the rest.
  void Go(bool goes) {
    std::exception_ptr failure;
    try {
      while (goes && stream_->NeverWaits()) {
        goes = collected_.Take(stream_->Read(collected_.MakeRoom(), context_));
      }
      if (goes) return ReadOn();
    } catch (...) {
      failure = CurrentOrOutOfMemory();
    }
    End(std::move(failure));
  }

  void End(std::exception_ptr failure) {
    stream_ = nullptr;
    auto const done = std::exchange(done_, nullptr);
    if (failure) return done(std::move(failure));
    done(collected_.TakeText());
  }

  std::unique_ptr<BodyStream> stream_;
  Context const context_;
  Collected collected_;
  Completion<std::string> done_;
};

}  // namespace

std::string ReadToEnd(BodyStream& stream, std::size_t limit, Context const& context) {
  Collected collected{stream.Length(), limit};
  while (collected.Take(stream.Read(collected.MakeRoom(), context))) {
  }
  return collected.TakeText();
}

void ReadToEndAsync(
    std::unique_ptr<BodyStream> stream, std::size_t limit, Context const& context, Completion<std::string> done) {
  try {
    std::make_shared<ReadingToEnd>(std::move(stream), limit, context, done)->Start();
  } catch (Error const&) {
    DefaultExecutor()([done = std::move(done), failure = std::current_exception()] { done(failure); });
  }
}

}  // namespace mtlspop
