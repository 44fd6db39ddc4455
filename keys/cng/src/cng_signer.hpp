#pragma once

/// @file
/// A key of CNG as a signer, over a table of functions: the tests play machines with it.

#include <cstdint>
#include <memory>
#include <vector>

#include <windows.h>

#include <ncrypt.h>

#include "mtlspop/cng/cng_key.hpp"
#include "mtlspop/transport/signer.hpp"

namespace mtlspop::openssl {

/// What is used of ncrypt.dll.
struct CngFunctions {
  decltype(&::NCryptExportKey) ExportKey = &::NCryptExportKey;
  decltype(&::NCryptSignHash) SignHash = &::NCryptSignHash;
  decltype(&::NCryptFreeObject) FreeObject = &::NCryptFreeObject;
};

/// Thread safety: as a signer.
class CngSigner final : public Signer {
 public:
  /// Takes the handle, also where it throws.
  /// @throw Error `invalid_argument`
  CngSigner(NCRYPT_KEY_HANDLE key, CngKeyOptions const& options, CngFunctions functions = {});
  ~CngSigner() override;
  CngSigner(CngSigner const&) = delete;
  CngSigner& operator=(CngSigner const&) = delete;

  std::vector<std::uint8_t> const& SubjectPublicKeyInfo() const noexcept override { return publicKey_; }
  std::vector<SignatureAlgorithm> Algorithms() const override { return algorithms_; }
  std::vector<std::uint8_t> Sign(SignatureRequest const& request, Context const& context) const override;

 private:
  struct Freed {
    CngFunctions const* Functions;
    NCRYPT_KEY_HANDLE Key;
    ~Freed() { Functions->FreeObject(Key); }
  };
  bool ReadRsa();
  bool ReadEc();
  std::vector<std::uint8_t> Export(wchar_t const* format) const;

  CngFunctions const functions_;
  /// Before what can throw.
  Freed const handle_;
  std::vector<std::uint8_t> publicKey_;
  std::vector<SignatureAlgorithm> algorithms_;
};

}  // namespace mtlspop::openssl
