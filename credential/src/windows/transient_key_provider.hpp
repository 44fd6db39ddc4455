#pragma once

/// @file
/// Keys that last as long as the process.

#include <memory>
#include <utility>

#include "key_functions.hpp"

#include "mtlspop/credential/key_provider.hpp"

namespace mtlspop::windows {

/// Keys with a name that nobody else knows, deleted when they are let go: SChannel cannot sign with a key that has none.
class TransientKeyProvider final : public KeyProvider {
 public:
  explicit TransientKeyProvider(std::shared_ptr<KeyFunctions> functions) : functions_(std::move(functions)) {}

  KeyStrength HighestStrength() const noexcept override { return KeyStrength::Software; }

  gsl::not_null<std::shared_ptr<BindingKey const>> GetOrCreateKey(
      KeyRequest const& request, Context const& context) override;

 private:
  std::shared_ptr<KeyFunctions> functions_;
};

}  // namespace mtlspop::windows
