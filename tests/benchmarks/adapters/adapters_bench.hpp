#pragma once

/// @file
/// The adapters beside the frameworks' own transports.

#include <memory>

#include "mtlspop/credential/static_credential.hpp"
#include "support/report.hpp"
#include "transport/bench_server.hpp"

namespace mtlspop::bench {

inline constexpr int AdapterRounds = 11;

/// A credential whose token is there already, bound to the certificate of `scenario`.
std::shared_ptr<StaticCredential> MakeBoundCredential(Scenario const& scenario);

/// A cpprestsdk client with our handler against a plain one with the certificate set in its TLS callback.
void BenchCpprest(Report& report, BenchServer const& server, BenchOptions const& options);

/// A bound Azure request against CurlTransport without any certificate; nothing where the Azure SDK is not there.
void BenchAzure(Report& report, BenchServer const& server, BenchOptions const& options);

}  // namespace mtlspop::bench
