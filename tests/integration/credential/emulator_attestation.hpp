#pragma once

/// @file
/// The emulator's attestation service.

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "mtlspop/credential/attestation_provider.hpp"
#include "mtlspop/transport/http_transport.hpp"

namespace mtlspop::test {

/// Attests keys with the emulator's attestation service.
class EmulatorAttestationProvider final : public AttestationProvider {
 public:
  explicit EmulatorAttestationProvider(std::shared_ptr<HttpTransport> transport) : transport_(std::move(transport)) {}

  Secret Attest(AttestationRequest const& request, Context const& context) override;
  int Calls() const noexcept { return calls_; }

 private:
  std::shared_ptr<HttpTransport> transport_;
  std::atomic<int> calls_{0};
};

/// A token of the emulator's attestation service that says that the key is "keyguard" or "hardware".
Secret AttestAs(
    std::string const& strength, HttpTransport& transport, AttestationRequest const& request, Context const& context);

}  // namespace mtlspop::test
