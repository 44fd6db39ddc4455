// Engines are deprecated, and here are what is to be compared with.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "engine_key.hpp"

#include <openssl/engine.h>
#include <openssl/err.h>

namespace mtlspop::bench {

std::shared_ptr<EVP_PKEY> OpenWithEngine(std::string const& uri, std::string const& module, std::string const& pin) {
  ENGINE_load_dynamic();
  auto* const engine = ENGINE_by_id("pkcs11");
  bool const ready = engine != nullptr && ENGINE_ctrl_cmd_string(engine, "MODULE_PATH", module.c_str(), 0) == 1 &&
                     ENGINE_ctrl_cmd_string(engine, "PIN", pin.c_str(), 0) == 1 && ENGINE_init(engine) == 1;
  auto* const key = ready ? ENGINE_load_private_key(engine, uri.c_str(), nullptr, nullptr) : nullptr;
  ERR_clear_error();
  return {key, &EVP_PKEY_free};
}

}  // namespace mtlspop::bench
