#pragma once

/// @file
/// Request bodies from files and from standard input.

#include <cstdint>
#include <fstream>
#include <istream>
#include <memory>
#include <optional>
#include <string>

#include "mtlspop/transport/body_stream.hpp"

namespace mtlspop::command {

/// A body that is read from a stream as it is sent. One that knows where its end is, as a file, has a length and can be sent
/// again; others are sent in chunks.
///
/// Thread safety: one thread at a time.
class StreamBody final : public BodyStream {
 public:
  /// Of a file, or of a pipe.
  /// @throw Error `read_failed`
  static std::shared_ptr<StreamBody> OfFile(std::string const& path);
  /// Of a stream that lives as long.
  explicit StreamBody(std::istream& stream) : stream_(&stream), name_("standard input") {}

  std::size_t Read(gsl::span<std::uint8_t> buffer, Context const& context) override;
  std::optional<std::uint64_t> Length() const noexcept override { return length_; }
  bool TryRewind() override;

 private:
  StreamBody(std::unique_ptr<std::istream> owned, std::string name);

  std::unique_ptr<std::istream> owned_;
  std::istream* stream_;
  std::string name_;
  std::optional<std::uint64_t> length_;
};

}  // namespace mtlspop::command
