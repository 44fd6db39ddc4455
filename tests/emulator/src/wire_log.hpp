// What the emulator saw, request by request. Never a token or a certificate request.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace mtlspop_emulator {

struct LogEntry {
  std::string_view Service;
  std::string_view Method;
  std::string_view Path;
  std::string_view Query;
  unsigned Status = 0;  // 0 where no answer was sent.
  std::string_view X5tS256;
  std::string_view TokenX5tS256;
  std::string_view Scheme;
  std::uint32_t Connection = 0;
  std::string_view TlsVersion;
  bool Resumed = false;
  bool Mismatch = false;
  bool Fault = false;  // An armed fault hit it.
  std::string_view ClientId;
  std::string_view IssuedX5tS256;
  std::string_view Error;
  std::string_view ClientRequestId;
  std::string_view ClientSku;  // What x-client-SKU and x-client-Ver say that the client is.
  std::string_view ClientVersion;
};

// Thread safe. Texts that recur are stored once, so that a long run fits in memory.
class WireLog {
 public:
  explicit WireLog(std::size_t limit);

  void Add(LogEntry const& entry);
  void Clear();
  // A JSON array of the entries numbered above `since`, of one service or of all.
  std::string ToJson(std::uint64_t since, std::string const& service) const;
  // The newest entries numbered above `since`, at most that many.
  std::string NewestToJson(std::uint64_t since, std::size_t atMost) const;
  // The numbers of the oldest entry kept and of the newest; first = last + 1 where none is kept.
  std::pair<std::uint64_t, std::uint64_t> Numbers() const;

 private:
  using TextId = std::uint32_t;
  struct Stored {
    std::uint64_t Number;
    std::int64_t TimeMs;
    std::string ClientRequestId;
    TextId Service, Method, Path, Query, X5tS256, TokenX5tS256, Scheme, TlsVersion, Error, ClientId, IssuedX5tS256,
        ClientSku, ClientVersion;
    std::uint32_t Connection;
    std::uint16_t Status;
    bool Resumed;
    bool Mismatch;
    bool Fault;
  };

  TextId Intern(std::string_view text);
  void AppendJson(std::string& out, Stored const& entry) const;
  void AppendText(std::string& out, char const* name, TextId text) const;

  mutable std::mutex _mutex;
  std::size_t const _limit;
  std::uint64_t _last = 0;
  std::deque<Stored> _entries;
  std::deque<std::string> _texts;
  std::vector<std::string> _textsAsJson;
  std::unordered_map<std::string_view, TextId> _textIds;
};

}  // namespace mtlspop_emulator
