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

#include "mtlspop/export.hpp"
#include "mtlspop/policies/bound_pipeline.hpp"
#include "mtlspop/transport/http_transport.hpp"

namespace mtlspop {

/// Options of `Client`.
struct ClientOptions : BoundPipelineOptions {
  /// Null for `DefaultHttpTransport()`.
  std::shared_ptr<HttpTransport> Transport;
  /// The largest answer that is read into memory.
  std::size_t BufferedBodyBytes = DefaultBufferedBodyBytes;
};

/// An answer with its whole body, whatever that is.
struct ClientAnswer {
  /// The status, 200 to 999.
  int Status = 0;
  /// The header fields.
  Headers Fields;
  /// The whole body, as it came.
  std::string Text;
};

/// Sends requests with tokens of one credential, each over a connection that presents the certificate the token is bound to.
///
/// Every status is an answer, 404 and 500 too; what prevents an answer is an `Error`. Retries and what follows from a
/// refusal are as in `BoundCall`. The timeout bounds a call as a whole: the token, all attempts, the waits between them and
/// the body.
///
/// Thread safety: one client serves any number of threads. It is meant to be kept: it remembers what resources want.
class MTLSPOP_EXPORT Client final {
 public:
  /// How long a call may take where no timeout is given: 100 s.
  static constexpr std::chrono::milliseconds DefaultTimeout{100'000};

  /// @throw Error `invalid_argument` for a credential that is null and for options out of range; what
  /// `DefaultHttpTransport` throws.
  explicit Client(std::shared_ptr<TokenCredential> credential, ClientOptions options = {});

  /// Sends a GET and returns the answer.
  /// @throw Error `invalid_argument` for a URL that cannot be used; `deadline_exceeded`; `buffered_body_limit_exceeded`; as
  /// `BoundCallPolicy::Send`.
  ClientAnswer Get(std::string_view url, std::chrono::milliseconds timeout = DefaultTimeout) const;
  /// Sends a DELETE and returns the answer.
  /// @throw Error as `Get`
  ClientAnswer Delete(std::string_view url, std::chrono::milliseconds timeout = DefaultTimeout) const;
  /// Sends a POST with `body` and returns the answer.
  /// @param url absolute, https
  /// @param body sent as it is
  /// @param contentType for example "application/json"; "" for none.
  /// @param timeout bounds the call as a whole
  /// @throw Error as `Get`
  ClientAnswer Post(
      std::string_view url,
      std::string body,
      std::string_view contentType,
      std::chrono::milliseconds timeout = DefaultTimeout) const;
  /// Sends a PUT with `body` and returns the answer; all else as `Post`.
  /// @throw Error as `Get`
  ClientAnswer Put(
      std::string_view url,
      std::string body,
      std::string_view contentType,
      std::chrono::milliseconds timeout = DefaultTimeout) const;
  /// Sends any other request; `Authorization` is replaced. `context` bounds the call as the timeout does.
  /// @throw Error as `Get`
  ClientAnswer Send(Request request, Context const& context) const;

  /// As `Send`, without a thread that waits: `done` gets what it returns or throws. The client must live until then.
  /// What is promised to `done` and asked of it is said in mtlspop/transport/outcome.hpp.
  /// @throw Error `invalid_argument` for a URL that cannot be used, std::bad_alloc; `done` is not called then
  void SendAsync(Request request, Context const& context, Completion<ClientAnswer> done) const;
  /// As `Get`, in the same way.
  /// @throw Error as `SendAsync`
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
