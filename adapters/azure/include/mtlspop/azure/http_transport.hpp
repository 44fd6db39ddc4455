#pragma once

/// @file
/// The Azure SDK's transport over this library's.

#include <memory>

#include <azure/core/http/transport.hpp>

#include "mtlspop/transport/http_transport.hpp"

namespace mtlspop::azure {

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
class HttpTransport final : public Azure::Core::Http::HttpTransport {
 public:
  /// Null for `DefaultHttpTransport()`.
  explicit HttpTransport(std::shared_ptr<mtlspop::HttpTransport> transport = nullptr);

  /// @throw Azure::Core::Http::TransportException with the text of this library's `Error`, for what Azure's retry policy
  /// may try again; Azure::Core::OperationCancelledException where `context` ended;
  /// Azure::Core::Credentials::AuthenticationException for what must not be tried again, such as a bound token without its
  /// binding, or a server whose certificate is not trusted.
  std::unique_ptr<Azure::Core::Http::RawResponse> Send(
      Azure::Core::Http::Request& request, Azure::Core::Context const& context) override;

 private:
  std::shared_ptr<mtlspop::HttpTransport> transport_;
};

}  // namespace mtlspop::azure
