#pragma once

/// @file
/// This library, set up for a scenario.

#include <cstddef>
#include <memory>

#include "mtlspop/transport/http_transport.hpp"
#include "transport/peer.hpp"

namespace mtlspop::bench {

std::shared_ptr<HttpTransport> MakeOwnTransport(Scenario const& scenario, std::size_t connections = 2000);
std::shared_ptr<BindingCertificate const> LoadBinding(Scenario const& scenario);
std::string UrlOf(Scenario const& scenario);
/// Reads an answer to its end into one buffer; returns its length.
std::uint64_t Drain(Response& response);

}  // namespace mtlspop::bench
