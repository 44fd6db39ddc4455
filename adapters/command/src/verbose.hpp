#pragma once

/// @file
/// What `-v` shows, in curl's manner.

#include <memory>
#include <mutex>
#include <ostream>

#include "mtlspop/transport/observer.hpp"
#include "mtlspop/transport/url.hpp"
#include "observed_transport.hpp"

namespace mtlspop::command {

/// Writes what travels: of requests to the origin that was asked for the header fields too ("> ", "< "), of the credential's
/// own one line each ("* "). No token is shown: whatever comes from outside goes through `Redact()`.
///
/// Waits before another attempt are told when they begin.
///
/// Thread safety: may be called from any thread. The stream must live as long.
class Verbose final : public Observer {
 public:
  Verbose(std::ostream& out, Origin origin) : out_(out), origin_(std::move(origin)) {}

  void operator()(Exchange const& exchange);
  void OnEvent(Event const& event) override;

 private:
  void WriteRequest(Exchange const& exchange);
  void WriteAnswer(Response const& answer);

  std::ostream& out_;
  Origin const origin_;
  std::mutex mutex_;
};

}  // namespace mtlspop::command
