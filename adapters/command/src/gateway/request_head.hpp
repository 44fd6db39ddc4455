#pragma once

/// @file
/// The header of a client's request, and what is not taken.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/message.hpp>

#include "gateway/failure.hpp"
#include "mtlspop/transport/headers.hpp"

namespace mtlspop::gateway {

/// The field with the id under which a client, the gateway's log and a server know a request.
inline constexpr std::string_view CorrelationField = "x-ms-client-request-id";

/// A request without its body. Read by Beast's parser, and then held against rules that leave one way to read it.
struct RequestHead {
  std::string Method;
  /// As in the request line: a path with its query, "host:port" for CONNECT, an absolute URL, or "*".
  std::string Target;
  /// 10 or 11.
  unsigned Version = 11;
  /// All fields as they came.
  Headers Fields;
  /// The value of the Host field, "" where there is none.
  std::string Host;
  /// None where the body is chunked or there is none. CONNECT has none whatever its field says (RFC 9110 section 9.3.6): Node's
  /// Azure SDK sends the fields of the request that is to go through the tunnel, its length among them.
  std::optional<std::uint64_t> ContentLength;
  bool IsChunked = false;
  /// Whether the client waits for `100 Continue` before it sends the body (RFC 9110 section 10.1.1).
  bool ExpectsContinue = false;
  /// Never for CONNECT: where it is refused, what follows may have been meant for the tunnel, and nobody reads it.
  bool KeepsAlive = true;
  /// The client's own `x-ms-client-request-id`, or one of the gateway's.
  std::string CorrelationId;

  bool HasBody() const noexcept { return IsChunked || ContentLength.value_or(0) > 0; }
};

/// Takes over what Beast has read.
RequestHead HeadFrom(boost::beast::http::request_header<> const& header, bool keepsAlive);

/// Why a request is not taken, whoever it is for; none where it is. What two readers could read in two ways is refused and
/// never mended: more than one length, a length together with chunks or that is no number, a coding other than chunked, two
/// Host fields or none (RFC 9112 sections 3.2 and 6.3). So is whatever was forwarded here by somebody else.
std::optional<Failure> RefusalOf(RequestHead const& head);

/// The fields that go on to a server: without those that concern one connection alone (RFC 9110 section 7.6.1), those that
/// `Connection` names, and those that the sender of the next request sets by itself.
Headers FieldsToPassOn(RequestHead const& head);

/// Which fields of a message go on: all but those that concern one connection alone (RFC 9110 section 7.6.1) and those that its
/// `Connection` names.
class EndToEndFields final {
 public:
  /// Of a message with these, which stay where they are meanwhile.
  explicit EndToEndFields(Headers const& fields);
  bool Has(std::string_view name) const noexcept;

 private:
  std::vector<std::string_view> nominated_;
};

}  // namespace mtlspop::gateway
