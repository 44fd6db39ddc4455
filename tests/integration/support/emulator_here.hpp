#pragma once

/// @file
/// What the emulator and its clients need on this platform. Windows' tests have a header of the same name.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gsl/pointers>

#include "mtlspop/credential/key_provider.hpp"
#include "mtlspop/transport/http_transport.hpp"

namespace mtlspop::test {

/// What starts the emulator.
inline std::vector<std::string> EmulatorCommand() { return {MTLSPOP_EMULATOR_PATH}; }

/// A transport that can reach it.
inline gsl::not_null<std::shared_ptr<HttpTransport>> MakeTransportToEmulator(TransportOptions options) {
  return MakeHttpTransport(std::move(options));
}

/// Whether this platform's clients can use it; where not, another is started.
inline bool IsUsable(TransportOptions const& /*options*/) { return true; }

/// Keys that it can be shown. Null for the platform's own.
inline std::shared_ptr<KeyProvider> KeysForEmulator() { return nullptr; }

}  // namespace mtlspop::test
