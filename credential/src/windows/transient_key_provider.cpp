#include "transient_key_provider.hpp"

#include <bcrypt.h>

#include "cng_key.hpp"
#include "key_tier.hpp"
#include "mtlspop/base/uuid.hpp"

namespace mtlspop::windows {

gsl::not_null<std::shared_ptr<BindingKey const>> TransientKeyProvider::GetOrCreateKey(
    KeyRequest const& request, Context const& context) {
  if (request.MinimumStrength > KeyStrength::Software) {
    ThrowTooWeak(request.MinimumStrength, KeyStrength::Software);
  }
  context.ThrowIfEnded("Making the binding key");
  auto const provider = OpenProvider(functions_, SoftwareTier);
  NCRYPT_KEY_HANDLE handle = 0;
  auto const name = WidenName("mtlspop-" + NewUuid());
  auto status = functions_->CreatePersistedKey(provider.Get(), &handle, BCRYPT_RSA_ALGORITHM, name.c_str(), 0);
  if (status != 0) {
    throw Unavailable(SoftwareTier, "No key could be made", status);
  }
  NCryptObject key{functions_, handle};
  status = SetUp(*functions_, handle);
  if (status != 0) {
    throw Unavailable(SoftwareTier, "No key could be finished", status);
  }
  return MakeTransientBindingKey(std::move(key), KeyStrength::Software);
}

}  // namespace mtlspop::windows
