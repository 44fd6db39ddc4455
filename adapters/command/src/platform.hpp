#pragma once

/// @file
/// What each platform does in its own way.

#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mtlspop/credential/key_provider.hpp"
#include "mtlspop/transport/binding_certificate.hpp"

namespace mtlspop::command {

/// Whether a person looks at this descriptor.
bool IsTerminal(int descriptor);

/// A reader of standard output that has gone is an error of the write from now on, and not the end of the process.
void ReportBrokenPipes();

/// From now on no other process of this user can read this one's memory or attach to it, and no core file is written of it:
/// what root may do is left. A program that is executed from here has nothing of that.
/// @throw Error `system_failure`
void HideMemory();

/// A time of the calendar, in UTC.
std::tm ToUtc(std::time_t time);

/// A certificate and its key from one text in PEM.
/// @throw Error `usage` where the platform's TLS library takes none from memory; `invalid_binding_certificate`
std::shared_ptr<BindingCertificate const> ReadPemCertificate(std::string_view pem);

/// One place where keys can be on this platform.
struct KeyTier {
  /// "key_keyguard", "key_tpm".
  std::string Step;
  /// Null where it is not to be had here at all.
  std::function<std::shared_ptr<KeyProvider>()> Keys;
  /// Why not, where `Keys` is null.
  std::string WhyNot;
};

/// KeyGuard and TPM, strongest first.
std::vector<KeyTier> DeviceKeyTiers();

}  // namespace mtlspop::command
