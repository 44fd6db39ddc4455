// The real names that the emulator's servers answer to. Their certificate covers them, and the connect overrides of the
// startup line lead them here.
#pragma once

#include <string_view>

namespace mtlspop_emulator {

struct EmulatedHost {
  std::string_view Name;      // "*." in front stands for any one label.
  std::string_view Listener;  // sts, vault or attestation.
};

inline constexpr EmulatedHost EmulatedHosts[] = {
    {"*.vault.azure.net", "vault"},
    {"*.blob.core.windows.net", "vault"},
    {"*.attest.azure.net", "attestation"},
    {"mtlsauth.microsoft.com", "sts"},
    {"*.mtlsauth.microsoft.com", "sts"},
    {"mtlsauth.microsoftonline.us", "sts"},
    {"*.mtlsauth.microsoftonline.us", "sts"},
    {"mtlsauth.partner.microsoftonline.cn", "sts"},
    {"*.mtlsauth.partner.microsoftonline.cn", "sts"},
    {"login.microsoftonline.com", "sts"}};

}  // namespace mtlspop_emulator
