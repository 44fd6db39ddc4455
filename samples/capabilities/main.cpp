// Says what this machine can do about bound tokens. Asks IMDS what it is, and gets neither certificate nor token.

#include <exception>
#include <iostream>

#include "mtlspop/credential/managed_identity_credential.hpp"

int main() {
  try {
    mtlspop::ManagedIdentityCredentialOptions options;
    auto const found =
        mtlspop::GetManagedIdentityCapabilities(options, mtlspop::Context{}.WithTimeout(std::chrono::seconds{10}));
    std::cout << "source: " << mtlspop::ToString(found.Source) << '\n'
              << "highest_strength: " << mtlspop::ToString(found.HighestStrength) << '\n'
              << "binding_supported: " << mtlspop::ToString(found.BindingSupported) << '\n';
    if (!found.WhyNot.empty()) std::cout << "why_not: " << found.WhyNot << '\n';
    return 0;
  } catch (std::exception const& error) {
    std::cerr << "capabilities: " << error.what() << '\n';
    return 1;
  }
}
