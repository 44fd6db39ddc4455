#pragma once

/// @file
/// What a transport takes from the environment, so that an application can be pointed at a test environment without a
/// line about it in its source.
///
/// - `MTLSPOP_CA_FILE`, a file of PEM certificates: servers are trusted that these authorities vouch for, and no
/// others.
/// - `MTLSPOP_CONNECT_OVERRIDES`, `host:port=host:port`, several with commas between them: connections go to another
///   place; names, certificates and headers stay.
/// - `MTLSPOP_LOG`, `debug`, `info`, `warning`, `error` or `off`: log lines of this severity and above go to stderr, of
///   everything that was given no observer of its own (`EnvironmentLog` in log.hpp).
///
/// None of them weakens verification: an authority has to vouch for every server, for the name in the URL. Whoever can
/// set the environment of a process can already replace its trust store (`SSL_CERT_FILE`) and the libraries it loads.

#include <memory>

#include <gsl/pointers>

#include "mtlspop/export.hpp"
#include "mtlspop/transport/http_transport.hpp"

namespace mtlspop {

/// `options` with what the environment asks for added: what `options` itself says about trust wins over
/// `MTLSPOP_CA_FILE`, and its own overrides are looked at first.
///
/// Thread safety: as `getenv`: no thread may change the environment meanwhile.
/// @throw Error `invalid_argument` where `MTLSPOP_CONNECT_OVERRIDES` is not of the form above.
MTLSPOP_EXPORT TransportOptions TransportOptionsFromEnvironment(TransportOptions options = {});

/// The transport that credentials and adapters use where they were given none: one for the process, with
/// `TransportOptionsFromEnvironment()`, made on first use and kept for as long as somebody holds it.
///
/// Thread safety: may be called from any thread.
/// @throw Error as `TransportOptionsFromEnvironment` and `MakeHttpTransport`.
MTLSPOP_EXPORT gsl::not_null<std::shared_ptr<HttpTransport>> DefaultHttpTransport();

}  // namespace mtlspop
