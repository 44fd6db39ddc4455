// Reads HTTP/1.1 requests from a channel, head and body apart.
#pragma once

#include <cstdint>
#include <memory>

#include "http_message.hpp"

namespace mtlspop_emulator {

class Channel;

enum class ReadResult { Done, Ended, Malformed, TooLarge };

class HttpReader {
 public:
  HttpReader(Channel& channel, std::uint64_t bodyLimit);
  ~HttpReader();

  ReadResult ReadHead(Request& request);
  // `keep`: whether the body goes into the request, or only its size.
  ReadResult ReadBody(Request& request, bool keep);

 private:
  struct State;
  std::unique_ptr<State> _state;
};

}  // namespace mtlspop_emulator
