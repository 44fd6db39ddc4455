#include "mtlspop/credential/key_provider.hpp"

#include <algorithm>
#include <exception>

#include "crypto.hpp"
#include "mtlspop/credential/errors.hpp"

namespace mtlspop {
namespace {

class KeyProviderChain final : public KeyProvider {
 public:
  explicit KeyProviderChain(std::vector<gsl::not_null<std::shared_ptr<KeyProvider>>> providers)
      : providers_(std::move(providers)) {}

  KeyStrength HighestStrength() const noexcept override {
    auto highest = KeyStrength::None;
    for (auto const& provider : providers_) highest = std::max(highest, provider->HighestStrength());
    return highest;
  }

  gsl::not_null<std::shared_ptr<BindingKey const>> GetOrCreateKey(
      KeyRequest const& request, Context const& context) override {
    std::exception_ptr failure;
    for (auto const& provider : providers_) {
      auto const strength = provider->HighestStrength();
      if (strength == KeyStrength::None || strength < request.MinimumStrength) continue;
      try {
        return provider->GetOrCreateKey(request, context);
      } catch (Error const& error) {
        if (error.Code() == errors::Cancelled || error.Code() == errors::DeadlineExceeded) throw;
        if (!failure) failure = std::current_exception();
      }
    }
    // The strongest one's failure says most.
    if (failure) std::rethrow_exception(failure);
    throw Error{
        {errors::MinimumStrengthNotAvailable,
         "No key of strength " + std::string{ToString(request.MinimumStrength)} +
             " or better can be had on this machine; the best is " + std::string{ToString(HighestStrength())},
         "Lower the minimum strength in the credential's options, or run where stronger keys exist (a Trusted Launch "
         "virtual machine with Windows for KeyGuard)"}};
  }

 private:
  std::vector<gsl::not_null<std::shared_ptr<KeyProvider>>> providers_;
};

}  // namespace

gsl::not_null<std::shared_ptr<KeyProvider>> MakeKeyProviderChain(
    std::vector<gsl::not_null<std::shared_ptr<KeyProvider>>> providers) {
  return std::shared_ptr<KeyProvider>{std::make_shared<KeyProviderChain>(std::move(providers))};
}

gsl::not_null<std::shared_ptr<KeyProvider>> MakeDefaultKeyProvider() {
  return MakeKeyProviderChain(crypto::PlatformKeyProviders());
}

}  // namespace mtlspop
