// An HTTP request that was read and an answer that is to be written.
#pragma once

#include <cstdint>
#include <ctime>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "encoding.hpp"

namespace mtlspop_emulator {

struct Header {
  std::string Name;
  std::string Value;
};

struct Request {
  std::string Method;
  std::string Path;  // As sent, without the query.
  std::string Query;
  std::vector<Header> Headers;
  std::string Body;
  std::uint64_t BodySize = 0;  // Also where the body itself was not kept.
  bool KeepAlive = true;

  // The header's value, or an empty view.
  std::string_view Find(std::string_view name) const;
  bool Has(std::string_view name) const;
  Parameters QueryParameters() const { return ParseParameters(Query); }
};

struct Response {
  unsigned Status = 200;
  std::vector<Header> Headers;
  std::string Body;
  std::shared_ptr<std::string const> SharedBody;  // Instead of Body, for large stored objects.
  std::uint64_t GeneratedSize = 0;                // Instead of both: that many bytes made up as they are sent.

  void Set(std::string name, std::string value);
  std::uint64_t BodySize() const;
  // Status line and header fields; content-length, connection, and a date where it has none (RFC 9110 section 6.6.1) included.
  std::string Head(bool keepAlive, bool chunked) const;
};

// As in "Tue, 01 Jan 2030 00:00:00 GMT".
std::string HttpDate(std::time_t time);

// Serialises whatever the value holds, broken UTF-8 included.
std::string JsonText(nlohmann::json const& value);

Response JsonResponse(unsigned status, nlohmann::json const& body);

// The body as a JSON object, or nothing.
std::optional<nlohmann::json> ParseJsonObject(std::string_view text);

}  // namespace mtlspop_emulator
