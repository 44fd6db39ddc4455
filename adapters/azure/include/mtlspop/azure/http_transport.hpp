#pragma once

/// @file
/// The Azure SDK's transport over this library's.
///
/// What a client's call throws is of one of three families, beside `Azure::Core::OperationCancelledException` where the
/// caller's context has ended:
///
/// - `Azure::Core::Http::TransportException`: the network's doing, and it may pass. Azure's retry policy has tried again as
///   often as the client's options say.
/// - `Azure::Core::RequestFailedException`, which the one above is too: an answer with an error status, or a failure that
///   the next try would meet again, such as a server whose certificate is not trusted, a URL, trust store or body that
///   cannot be used, an answer over a limit, a redirect. It was not tried again. Where there was no answer, `RawResponse`
///   is null.
/// - `Azure::Core::Credentials::AuthenticationException`, which is neither: no token was to be had, or the binding is lost,
///   refused or unusable.
///
/// @code
/// try {
///   std::cout << client.GetSecret("password").Value.Name << '\n';
/// } catch (Azure::Core::OperationCancelledException const&) {
///   return "the caller's time is over";
/// } catch (Azure::Core::Http::TransportException const& error) {
///   return "later: " + error.ErrorCode;  // "connection_lost"
/// } catch (Azure::Core::RequestFailedException const& error) {
///   return "correct it: " + error.ErrorCode;  // "server_certificate_rejected", or the service's own code
/// } catch (Azure::Core::Credentials::AuthenticationException const& error) {
///   return std::string{"not authorized: "} + error.what();
/// }
/// @endcode
///
/// `what()` is the text of this library's `Error`, `ErrorCode` the name of its code. What a request's own body stream
/// throws reaches the caller as it is.

#include <chrono>
#include <cstddef>
#include <memory>

#include <azure/core/http/transport.hpp>

#include "mtlspop/azure/export.hpp"
#include "mtlspop/transport/http_transport.hpp"

namespace mtlspop::azure {

/// How long requests of Azure clients may stand still, and how much of an answer is kept.
struct NetworkLimits {
  /// Longest time that one attempt may wait without anything going on: for a connection, for the server to take more of
  /// the request's body, for the answer's header, for the next piece of its body. Then the attempt fails with
  /// `deadline_exceeded`, which Azure's retry policy may try again. It holds beside the deadline of the call's context, so
  /// that a call without one ends too. 0 for no limit; at least 0.
  std::chrono::milliseconds NetworkTimeout{100'000};
  /// Most bytes of an answer that Azure buffers: of all answers with an error status, and all others but downloads. More of
  /// it is `buffered_body_limit_exceeded`.
  std::size_t BufferedBodyBytes = DefaultBufferedBodyBytes;
};

/// Sends the requests of Azure SDK clients: those that the bound-token policy has prepared with their certificate, and all
/// others without one. `UseTokenBinding` sets it; by itself it is an ordinary transport.
///
/// Fields of an answer that come more than once are joined with ", " (RFC 9110 section 5.3), since Azure has room for one
/// value. `Expect: 100-continue` is honoured; `TE`, `Upgrade` and other fields of the connection are refused.
///
/// Bodies are streamed both ways. An Azure context's deadline and cancellation hold; a cancellation is noticed within
/// 50 ms.
///
/// Thread safety: all members may be called from any thread at any time.
class MTLSPOP_AZURE_EXPORT HttpTransport final : public Azure::Core::Http::HttpTransport {
 public:
  /// Null for `DefaultHttpTransport()`.
  /// @throw Error `invalid_argument` for a negative `NetworkTimeout`; as `DefaultHttpTransport`.
  explicit HttpTransport(std::shared_ptr<mtlspop::HttpTransport> transport = nullptr, NetworkLimits const& limits = {});

  /// @throw The families above.
  std::unique_ptr<Azure::Core::Http::RawResponse> Send(
      Azure::Core::Http::Request& request, Azure::Core::Context const& context) override;

 private:
  std::shared_ptr<mtlspop::HttpTransport> transport_;
  NetworkLimits limits_;
};

}  // namespace mtlspop::azure
