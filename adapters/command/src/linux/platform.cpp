#include "platform.hpp"

#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "errors.hpp"
#include "mtlspop/transport/openssl.hpp"
#if defined(MTLSPOP_COMMAND_TPM)
#include "mtlspop/tpm/tpm_key.hpp"
#endif

namespace mtlspop::command {

bool IsTerminal(int descriptor) { return ::isatty(descriptor) != 0; }

void ReportBrokenPipes() { std::signal(SIGPIPE, SIG_IGN); }

void HideMemory() {
  if (::prctl(PR_SET_DUMPABLE, 0) == 0) return;
  Fail(
      errors::SystemFailure, std::string{"This process's memory cannot be kept from others: "} + std::strerror(errno),
      "See which filter of system calls forbids prctl(PR_SET_DUMPABLE)");
}

std::tm ToUtc(std::time_t time) {
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  return parts;
}

std::shared_ptr<BindingCertificate const> ReadPemCertificate(std::string_view pem) {
  return openssl::MakeBindingCertificateFromPem(pem, pem).get();
}

std::vector<KeyTier> DeviceKeyTiers() {
  KeyTier tpm{"key_tpm", nullptr, "This mtlspop was built without TPM"};
#if defined(MTLSPOP_COMMAND_TPM)
  // A key under a handle would stay behind where there was none: the trial is another, which nobody keeps.
  tpm.Keys = [] { return MakeTpmKeyProvider({}).get(); };
#endif
  return {{"key_keyguard", nullptr, "KeyGuard needs Windows with virtualization-based security"}, std::move(tpm)};
}

}  // namespace mtlspop::command
