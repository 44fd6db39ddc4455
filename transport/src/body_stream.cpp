#include "mtlspop/transport/body_stream.hpp"

#include <algorithm>
#include <cstring>

#include "mtlspop/transport/blocking_call.hpp"
#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/executor.hpp"
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

std::string ReadToEnd(BodyStream& stream, std::size_t limit, Context const& context) {
  constexpr std::size_t step = 16 * 1024;
  std::string text;
  auto const length = stream.Length();
  auto const refuse = [&](bool isTooLarge) {
    if (isTooLarge) {
      Cleanse(text);
      throw Error{ErrorDetails{
          errors::BufferedBodyLimitExceeded,
          "The body is larger than the " + std::to_string(limit) + " bytes that may be buffered",
          "Read it as a stream, or allow more (BufferedBodyBytes, or the argument of ReadToEnd)"}};
    }
  };
  refuse(length && *length > limit);
  // A known length is believed only so far: memory grows with what really comes. One byte more shows the end.
  std::size_t room = length ? static_cast<std::size_t>(std::min<std::uint64_t>(*length, step)) + 1 : std::size_t{1024};
  for (;;) {
    auto const used = text.size();
    Grow(text, used + room);
    auto const count = stream.Read(
        gsl::span<std::uint8_t>{reinterpret_cast<std::uint8_t*>(text.data()) + used, text.size() - used}, context);
    text.resize(used + count);
    if (count == 0) {
      return text;
    }
    refuse(text.size() > limit);
    room = length && *length > text.size()
               ? static_cast<std::size_t>(std::min<std::uint64_t>(*length - text.size(), step)) + 1
               : (length ? 1 : step);
  }
}

}  // namespace mtlspop
