#pragma once

/// @file
/// The moment before a TPM signs.

#include <functional>

#include <tss2/tss2_esys.h>

namespace mtlspop::test {

/// As long as this lives `hook` is called before each bare RSA operation of this process, by whoever wants it. It goes on where
/// that returns TSS2_RC_SUCCESS, else that is what came of it.
class BeforeSigning final {
 public:
  using Hook = std::function<TSS2_RC(ESYS_CONTEXT* esys, ESYS_TR key)>;

  explicit BeforeSigning(Hook hook);
  ~BeforeSigning();
  BeforeSigning(BeforeSigning const&) = delete;
  BeforeSigning& operator=(BeforeSigning const&) = delete;
};

}  // namespace mtlspop::test
