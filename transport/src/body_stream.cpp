#include "mtlspop/transport/body_stream.hpp"

#include <algorithm>
#include <cstring>

#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/secret.hpp"

namespace mtlspop {

MemoryBody::~MemoryBody() { Cleanse(text_); }

std::size_t MemoryBody::Read(gsl::span<std::uint8_t> buffer, Context const& /*context*/) {
  auto const count = std::min<std::size_t>(buffer.size(), text_.size() - position_);
  std::memcpy(buffer.data(), text_.data() + position_, count);
  position_ += count;
  return count;
}

bool MemoryBody::TryRewind() {
  position_ = 0;
  return true;
}

std::string ReadToEnd(BodyStream& stream, std::size_t limit, Context const& context) {
  constexpr std::size_t step = 16 * 1024;
  std::string text;
  auto const length = stream.Length();
  auto const tooLarge = [limit] {
    return Error{ErrorDetails{
        errors::BufferedBodyLimitExceeded,
        "The body is larger than the " + std::to_string(limit) + " bytes that may be buffered",
        "Read it as a stream, or raise TransportLimits::BufferedBodyBytes"}};
  };
  if (length && *length > limit) {
    throw tooLarge();
  }
  // A known length is believed only so far: memory grows with what really comes.
  std::size_t room = length ? static_cast<std::size_t>(std::min<std::uint64_t>(*length, step)) : std::size_t{1024};
  for (;;) {
    auto const used = text.size();
    text.resize(used + std::max<std::size_t>(room, 1));
    auto const count = stream.Read(
        gsl::span<std::uint8_t>{reinterpret_cast<std::uint8_t*>(text.data()) + used, text.size() - used}, context);
    text.resize(used + count);
    if (count == 0) {
      return text;
    }
    if (text.size() > limit) {
      throw tooLarge();
    }
    room = length && *length > text.size()
               ? static_cast<std::size_t>(std::min<std::uint64_t>(*length - text.size(), step))
               : (length ? 1 : step);
  }
}

}  // namespace mtlspop
