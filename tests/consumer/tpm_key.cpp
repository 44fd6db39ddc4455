// An installed mtlspop::tpm is linked whole: what it says of a TPM that is not there.
#include "mtlspop/tpm/tpm_key.hpp"

int main() {
  mtlspop::TpmKeyProviderOptions options;
  options.Tcti = "device:/nonexistent";
  return mtlspop::MakeTpmKeyProvider(options)->HighestStrength() == mtlspop::KeyStrength::None ? 0 : 1;
}
