#pragma once

/// @file
/// `HttpTransport::SendAsync` over WinHTTP.

#include <memory>
#include <optional>
#include <utility>

#include "mtlspop/transport/http_transport.hpp"
#include "schannel/request_opening.hpp"
#include "schannel/send_operation.hpp"

namespace mtlspop::schannel {

/// A request that is sent without a thread that waits. Each step runs on the executor; WinHTTP's threads, and those on which
/// the body is read, do no more than wake it. Keeps itself alive until its completion is called.
class AsyncSend final : public std::enable_shared_from_this<AsyncSend> {
 public:
  AsyncSend(
      RequestOpening& opening,
      TransportOptions const& options,
      std::shared_ptr<Request> request,
      std::shared_ptr<BindingCertificate const> binding,
      Context const& context,
      Completion<std::unique_ptr<Response>> done)
      : opening_(opening),
        options_(options),
        request_(std::move(request)),
        binding_(std::move(binding)),
        context_(context),
        done_(std::move(done)) {}

  void Run();

 private:
  void Begin();
  bool GoOn();
  void ReadPiece();

  RequestOpening& opening_;
  TransportOptions const& options_;
  std::shared_ptr<Request> request_;
  std::shared_ptr<BindingCertificate const> binding_;
  Context const context_;
  Completion<std::unique_ptr<Response>> done_;
  std::optional<SendOperation> operation_;
};

}  // namespace mtlspop::schannel
