#pragma once

/// @file
/// The way to the servers: each request with the bound token of what its handle stands for.

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "gateway/handles.hpp"
#include "mtlspop/credential/token_credential.hpp"
#include "mtlspop/policies/http_pipeline.hpp"
#include "mtlspop/transport/executor.hpp"
#include "mtlspop/transport/http_transport.hpp"
#include "mtlspop/transport/observer.hpp"
#include "mtlspop/transport/outcome.hpp"

namespace mtlspop::gateway {

/// Who the gateway is for a program that asks for this identity.
/// @throw Error for one that it may not be
using CredentialChoice = std::function<std::shared_ptr<TokenCredential>(ManagedIdentityId const&)>;

/// Sends requests. What follows from each answer is decided by the library's pipeline; failures are not retried here, since
/// the program's own library does that.
///
/// Thread safety: all members may be called from any thread.
class Upstream final : public std::enable_shared_from_this<Upstream> {
 public:
  /// @param loops where requests are to begin
  Upstream(std::shared_ptr<HttpTransport> transport, CredentialChoice choice, EventSink observer, Executor loops);

  /// With the bound token of `grant` and over a connection with its certificate; `done` as the pipeline's `SendAsync`.
  void SendBound(
      HandleGrant const& grant,
      std::shared_ptr<Request> request,
      Context const& context,
      Completion<std::unique_ptr<Response>> done);

  /// Without a token and without a certificate.
  void SendPlain(std::shared_ptr<Request> request, Context const& context, Completion<std::unique_ptr<Response>> done);

  /// A token of `grant`, so that whoever asks for a handle is told now where there can be none.
  void GetToken(HandleGrant const& grant, Context const& context, Completion<AccessToken> done);
  /// Of the last `GetToken`.
  std::optional<HandleGrant> LastGrant() const;

 private:
  struct Road {
    std::shared_ptr<TokenCredential> Credential;
    std::shared_ptr<HttpPipeline const> Pipeline;
  };

  struct GrantLess {
    bool operator()(HandleGrant const& left, HandleGrant const& right) const noexcept;
  };

  Road RoadFor(HandleGrant const& grant);

  std::shared_ptr<HttpTransport> const transport_;
  CredentialChoice const choice_;
  EventSink const observer_;
  Executor const loops_;
  mutable std::mutex mutex_;
  std::map<HandleGrant, Road, GrantLess> roads_;
  std::optional<HandleGrant> lastGrant_;
};

}  // namespace mtlspop::gateway
