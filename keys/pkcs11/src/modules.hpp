#pragma once

/// @file
/// PKCS#11 modules, loaded by p11-kit, which counts their users and starts them anew in a child of fork().

#include <string>
#include <vector>

#include <p11-kit/p11-kit.h>

namespace mtlspop::pkcs11 {

/// Loaded modules; let go of when this ends. Sessions of this object's users alone end with it.
class Modules final {
 public:
  /// @param path "" for those of p11-kit's configuration
  /// @throw Error `key_unavailable`
  explicit Modules(std::string const& path);
  ~Modules();
  Modules(Modules const&) = delete;
  Modules& operator=(Modules const&) = delete;

  std::vector<CK_FUNCTION_LIST*> const& All() const noexcept { return all_; }

 private:
  CK_FUNCTION_LIST** configured_ = nullptr;
  std::vector<CK_FUNCTION_LIST*> all_;
};

}  // namespace mtlspop::pkcs11
