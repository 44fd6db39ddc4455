#include "modules.hpp"

#include "mtlspop/credential/errors.hpp"
#include "token.hpp"

namespace mtlspop::pkcs11 {

Modules::Modules(std::string const& path) {
  if (path.empty()) {
    configured_ = p11_kit_modules_load_and_initialize(0);
    for (auto* const* module = configured_; module != nullptr && *module != nullptr; ++module) all_.push_back(*module);
  } else if (auto* const module = p11_kit_module_load(path.c_str(), 0)) {
    auto const reason = p11_kit_module_initialize(module);
    if (reason != CKR_OK) {
      p11_kit_module_release(module);
      throw Failure(errors::KeyUnavailable, "The PKCS#11 module " + path + " does not start", reason);
    }
    all_.push_back(module);
  }
  if (all_.empty()) {
    throw Error{
        {errors::KeyUnavailable,
         path.empty() ? std::string{"No PKCS#11 module of p11-kit's configuration can be loaded"}
                      : "The PKCS#11 module " + path + " cannot be loaded",
         "Check module-path in the URI, that the module is installed, and that this process may read it; `p11-kit "
         "list-modules` shows those that are configured"}};
  }
}

Modules::~Modules() {
  if (configured_ != nullptr) {
    p11_kit_modules_finalize_and_release(configured_);
    return;
  }
  for (auto* const module : all_) {
    p11_kit_module_finalize(module);
    p11_kit_module_release(module);
  }
}

}  // namespace mtlspop::pkcs11
