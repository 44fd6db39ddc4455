#pragma once

/// @file
/// A transport that tells what travelled.

#include <chrono>
#include <functional>
#include <memory>
#include <string_view>

#include "mtlspop/transport/http_transport.hpp"

namespace mtlspop::command {

/// One request and what became of it. Holds references: good for the duration of the call.
struct Exchange {
  Request const& Sent;
  BindingCertificate const* Binding = nullptr;
  /// Null where there was no answer.
  Response const* Answer = nullptr;
  /// Null where there was one.
  Error const* Failure = nullptr;
  /// Until the answer's header was there.
  std::chrono::nanoseconds Took{};
};

/// Sends through another transport, and tells an observer of each request when its answer's header is there.
///
/// Thread safety: as every transport; the observer is called from any thread.
class ObservedTransport final : public HttpTransport {
 public:
  using Observer = std::function<void(Exchange const&)>;

  ObservedTransport(std::shared_ptr<HttpTransport> below, Observer observer)
      : below_(std::move(below)), observer_(std::move(observer)) {}

  std::unique_ptr<Response> Send(
      Request& request, std::shared_ptr<BindingCertificate const> const& binding, Context const& context) override;
  void DropConnections(std::string_view x5tS256) noexcept override { below_->DropConnections(x5tS256); }
  mtlspop::PoolStatistics PoolStatistics() const override { return below_->PoolStatistics(); }

 private:
  std::shared_ptr<HttpTransport> below_;
  Observer observer_;
};

}  // namespace mtlspop::command
