#include "mtlspop/credential/key_provider.hpp"

#include <algorithm>
#include <exception>

#include "crypto.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/transport/required.hpp"

namespace mtlspop {
namespace {

class KeyProviderChain final : public KeyProvider {
 public:
  explicit KeyProviderChain(std::vector<std::shared_ptr<KeyProvider>> providers) : providers_(std::move(providers)) {}

  KeyStrength HighestStrength() const noexcept override {
    auto highest = KeyStrength::None;
    for (auto const& provider : providers_) highest = std::max(highest, provider->HighestStrength());
    return highest;
  }

  gsl::not_null<std::shared_ptr<BindingKey const>> GetOrCreateKey(
      KeyRequest const& request, Context const& context) override {
    std::exception_ptr failure;
    std::vector<KeyProvider*> saidNone;
    for (auto const& provider : providers_) {
      auto const strength = provider->HighestStrength();
      if (strength == KeyStrength::None) saidNone.push_back(provider.get());
      if (strength == KeyStrength::None || strength < request.MinimumStrength) continue;
      if (auto key = TryOne(*provider, request, context, failure)) return gsl::make_not_null(std::move(key));
    }
    // Before giving up: what stood in their way may be over, and if it is not, they say what it is.
    for (auto* const provider : saidNone) {
      if (auto key = TryOne(*provider, request, context, failure)) return gsl::make_not_null(std::move(key));
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

  std::shared_ptr<BindingKey const> OpenKey(std::string const& reference, Context const& context) override {
    for (auto const& provider : providers_) {
      if (auto key = provider->OpenKey(reference, context)) return key;
    }
    return nullptr;
  }

 private:
  /// Null where there is no such key. `failure` becomes the first reason that is another than that the machine cannot.
  static std::shared_ptr<BindingKey const> TryOne(
      KeyProvider& provider, KeyRequest const& request, Context const& context, std::exception_ptr& failure) {
    try {
      auto key = provider.GetOrCreateKey(request, context).get();
      return key->Strength() < request.MinimumStrength ? nullptr : key;
    } catch (Error const& error) {
      if (error.Code() == errors::Cancelled || error.Code() == errors::DeadlineExceeded) throw;
      if (!failure && error.Code() != errors::MinimumStrengthNotAvailable) failure = std::current_exception();
      return nullptr;
    }
  }

  std::vector<std::shared_ptr<KeyProvider>> providers_;
};

}  // namespace

gsl::not_null<std::shared_ptr<KeyProvider>> MakeKeyProviderChain(std::vector<std::shared_ptr<KeyProvider>> providers) {
  for (auto const& provider : providers) Required(provider, "A key provider of the chain");
  return std::shared_ptr<KeyProvider>{std::make_shared<KeyProviderChain>(std::move(providers))};
}

gsl::not_null<std::shared_ptr<KeyProvider>> MakeDefaultKeyProvider() {
  return MakeKeyProviderChain(crypto::PlatformKeyProviders());
}

}  // namespace mtlspop
