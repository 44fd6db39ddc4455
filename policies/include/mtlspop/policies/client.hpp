#pragma once

/// @file
/// The short way: a request with a bound token in one line, text in, text out.
///
/// @code
/// mtlspop::Client const client{std::make_shared<mtlspop::ManagedIdentityCredential>()};
/// auto const answer = client.Get("https://myvault.vault.azure.net/secrets/a?api-version=7.4", std::chrono::seconds{30});
/// if (answer.Status == 200) std::cout << answer.Text << '\n';
/// @endcode
///
/// Not for bodies that do not fit into memory, nor for the fields of a framework's own requests: there is
/// `MakeBoundPipeline` for these.

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "mtlspop/policies/bound_pipeline.hpp"
#include "mtlspop/transport/http_transport.hpp"

namespace mtlspop {

struct ClientOptions : BoundPipelineOptions {
  /// Null for `DefaultHttpTransport()`.
  std::shared_ptr<HttpTransport> Transport;
  /// The largest answer that is read into memory.
  std::size_t BufferedBodyBytes = DefaultBufferedBodyBytes;
};

/// An answer with its whole body, whatever that is.
struct ClientAnswer {
  int Status = 0;
  Headers Fields;
  std::string Text;
};

/// Sends requests with tokens of one credential, each over a connection that presents the certificate the token is bound to.
///
/// Every status is an answer, 404 and 500 too; what prevents an answer is an `Error`. Retries and what follows from a
/// refusal are as in `BoundCall`. The timeout bounds a call as a whole: the token, all attempts, the waits between them and
/// the body.
///
/// Thread safety: one client serves any number of threads. It is meant to be kept: it remembers what resources want.
class Client final {
 public:
  static constexpr std::chrono::milliseconds DefaultTimeout{100'000};

  /// @throw Error `invalid_argument` for a credential that is null and for options out of range; what
  /// `DefaultHttpTransport` throws.
  explicit Client(std::shared_ptr<TokenCredential> credential, ClientOptions options = {});

  /// @throw Error `invalid_argument` for a URL that cannot be used; `deadline_exceeded`; `buffered_body_limit_exceeded`; as
  /// `BoundCallPolicy::Send`.
  ClientAnswer Get(std::string_view url, std::chrono::milliseconds timeout = DefaultTimeout) const;
  ClientAnswer Delete(std::string_view url, std::chrono::milliseconds timeout = DefaultTimeout) const;
  /// @param contentType for example "application/json"; "" for none.
  ClientAnswer Post(
      std::string_view url,
      std::string body,
      std::string_view contentType,
      std::chrono::milliseconds timeout = DefaultTimeout) const;
  ClientAnswer Put(
      std::string_view url,
      std::string body,
      std::string_view contentType,
      std::chrono::milliseconds timeout = DefaultTimeout) const;
  /// Any other request; `Authorization` is replaced. `context` bounds the call as the timeout does.
  ClientAnswer Send(Request request, Context const& context) const;

  /// As `Send` and `Get`, without a thread that waits: `done` gets what they return or throw. The client must live until
  /// then. What is promised to `done` and asked of it is said in mtlspop/transport/outcome.hpp.
  /// @throw Error `invalid_argument` for a URL that cannot be used, std::bad_alloc; `done` is not called then
  void SendAsync(Request request, Context const& context, Completion<ClientAnswer> done) const;
  void GetAsync(std::string_view url, std::chrono::milliseconds timeout, Completion<ClientAnswer> done) const;

 private:
  ClientAnswer SendText(
      char const* method,
      std::string_view url,
      std::string body,
      std::string_view contentType,
      std::chrono::milliseconds timeout) const;

  std::size_t bufferedBodyBytes_;
  HttpPipeline pipeline_;
};

}  // namespace mtlspop
