#include "mtlspop/pkcs11/pkcs11_key.hpp"

#include <algorithm>
#include <mutex>

#include <openssl/x509.h>

#include "mtlspop/base/per_process.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/credential/openssl.hpp"
#include "mtlspop/transport/openssl.hpp"
#include "objects.hpp"
#include "pkcs11_signer.hpp"
#include "refused_secrets.hpp"
#include "token.hpp"

namespace mtlspop {
namespace {

using pkcs11::Bytes;
using pkcs11::KeyFacts;
using pkcs11::ObjectName;
using pkcs11::Session;
using pkcs11::Token;

[[noreturn]] void ThrowNoKey(pkcs11::Uri const& uri) {
  throw Error{
      {errors::KeyUnavailable, "The token has no private key that fits the PKCS#11 URI " + uri.ForMessages(),
       "Check `object` and `id` of the URI, and that a PIN is given: private keys are not shown without"}};
}

ObjectName NameOf(pkcs11::Uri const& uri) { return {uri.Label(), uri.Id()}; }

KeyFacts FindKey(Token& token, ObjectName const& name, Context const& context) {
  std::optional<KeyFacts> key;
  token.Run(context, [&](Session const& session) { key = FindPrivateKey(session, name); });
  if (!key) ThrowNoKey(token.Name());
  return *key;
}

gsl::not_null<std::shared_ptr<EVP_PKEY>> MakeKey(
    std::shared_ptr<Token> const& token, KeyFacts const& facts, Context const& context) {
  std::shared_ptr<openssl::Signer const> signer = std::make_shared<pkcs11::Pkcs11Signer>(token, facts, context);
  return openssl::MakeSignerKey(gsl::make_not_null(std::move(signer)), context);
}

class Pkcs11KeyProvider final : public KeyProvider {
 public:
  explicit Pkcs11KeyProvider(Pkcs11KeyProviderOptions const& options)
      : token_(std::make_shared<Token>(options, options.MakeKeys ? Token::Access::Write : Token::Access::Read)),
        makesKeys_(options.MakeKeys) {}

  KeyStrength HighestStrength() const noexcept override { return KeyStrength::Hardware; }

  gsl::not_null<std::shared_ptr<BindingKey const>> GetOrCreateKey(
      KeyRequest const& request, Context const& context) override {
    if (request.MinimumStrength > KeyStrength::Hardware) {
      throw Error{
          {errors::MinimumStrengthNotAvailable,
           "A key of strength " + std::string{ToString(request.MinimumStrength)} +
               " was asked for, and a token's are of strength hardware",
           "Lower the minimum strength in the credential's options"}};
    }
    if (!makesKeys_) return Wrap(FindKey(*token_, NameOf(token_->Name()), context), context);
    std::optional<KeyFacts> key;
    token_->Run(context, [&](Session const& session) { key = FindOrMake(session, request, context); });
    if (!key) ThrowNoKey(token_->Name());
    return Wrap(*key, context);
  }

  std::shared_ptr<BindingKey const> OpenKey(std::string const& reference, Context const& context) override {
    if (reference.rfind("pkcs11:", 0) != 0) return nullptr;
    return Wrap(FindKey(*token_, NameOf(pkcs11::Uri{reference}), context), context).get();
  }

 private:
  /// Of several keys with the name, which makers in two processes can leave behind, the first is taken: in every process the
  /// same.
  std::optional<KeyFacts> FindOrMake(Session const& session, KeyRequest const& request, Context const& context) const {
    auto const name = NameOf(token_->Name());
    keys::DeviceTurn const turn{session.Serial + '/' + name.Label, context};
    auto found = FindPrivateKeys(session, name);
    auto const unwanted = std::stable_partition(found.begin(), found.end(), [&](KeyFacts const& key) {
      return !request.ForceNew || !(request.Refused.empty() || request.Refused == key.PublicKey);
    });
    if (!found.empty() && unwanted == found.end()) return found.front();
    auto const made = unwanted == found.begin() ? pkcs11::GenerateRsaKey(session, name) : Bytes{};
    // Not before: where the token makes no key, the one that it has is still good for a retry.
    for (auto refused = unwanted; refused != found.end(); ++refused) DestroyKey(session, *refused);
    auto const all = FindPrivateKeys(session, name);
    if (all.empty()) return std::nullopt;
    // Another process may have looked when we did.
    for (auto const& key : all) {
      if (key.PublicKey == made && made != all.front().PublicKey) DestroyKey(session, key);
    }
    return all.front();
  }

  gsl::not_null<std::shared_ptr<BindingKey const>> Wrap(KeyFacts const& facts, Context const& context) const {
    auto const key = MakeKey(token_, facts, context);
    auto reference = facts.Name.Id.empty() ? std::string{} : pkcs11::UriOfId(facts.Name.Id);
    return openssl::WrapBindingKey(gsl::make_not_null(key.get().get()), KeyStrength::Hardware, std::move(reference));
  }

  std::shared_ptr<Token> token_;
  bool makesKeys_;
};

/// A certificate with its key, both in a token.
class ClientCertificate final {
 public:
  explicit ClientCertificate(Pkcs11Options const& options) : token_(std::make_shared<Token>(options)) {}

  std::shared_ptr<BindingCertificate const> Get() {
    auto& state = state_.Get();
    std::lock_guard<std::mutex> const lock{state.Mutex};
    auto const& context = openssl::SigningContext::Current();
    auto const facts = FindKey(*token_, NameOf(token_->Name()), context);
    auto chain = ReadChain(facts, context);
    if (state.Current && chain == state.Current->Chain()) return state.Current;
    auto const key = MakeKey(token_, facts, context);
    state.Current = openssl::MakeBindingCertificate(
        std::move(chain), openssl::WrapPrivateKey(gsl::make_not_null(key.get().get())), KeyStrength::Hardware);
    return state.Current;
  }

 private:
  /// The certificate of the key, by its id or by its label: tokens keep to one or the other.
  std::vector<Bytes> ReadChain(KeyFacts const& facts, Context const& context) {
    std::vector<Bytes> found;
    token_->Run(context, [&](Session const& session) {
      found = facts.Name.Id.empty() ? std::vector<Bytes>{} : FindCertificates(session, {{}, facts.Name.Id});
      if (found.empty()) found = FindCertificates(session, {facts.Name.Label, {}});
    });
    auto chosen = pkcs11::ChooseCertificate(found, facts.PublicKey);
    if (!chosen.empty()) return {std::move(chosen)};
    throw Error{
        {errors::ClientCertificateUnusable,
         "The token has no certificate for the private key of the PKCS#11 URI " + token_->Name().ForMessages(),
         "Put the certificate beside the key, with the same id or label (pkcs11-tool --write-object --type cert)"}};
  }

  struct State {
    /// A child of fork() goes on with what its parent has; where a thread of that one looks just then, it looks itself.
    explicit State(State* parents) {
      if (parents == nullptr) return;
      std::unique_lock<std::mutex> const lock{parents->Mutex, std::try_to_lock};
      if (lock) Current = parents->Current;
    }

    std::mutex Mutex;
    std::shared_ptr<BindingCertificate const> Current;
  };

  std::shared_ptr<Token> token_;
  PerProcess<State> state_;
};

}  // namespace

gsl::not_null<std::shared_ptr<KeyProvider>> MakePkcs11KeyProvider(Pkcs11KeyProviderOptions options) {
  if (options.MakeKeys && pkcs11::Uri{options.Uri}.Label().empty()) {
    throw Error{
        {errors::InvalidArgument, "Keys are to be made in a token, and the PKCS#11 URI has no `object` to name them by",
         "Add `object=NAME` to the URI"}};
  }
  return std::shared_ptr<KeyProvider>{std::make_shared<Pkcs11KeyProvider>(options)};
}

gsl::not_null<std::shared_ptr<EVP_PKEY>> OpenPkcs11Key(Pkcs11Options const& options, Context const& context) {
  auto const token = std::make_shared<Token>(options);
  return MakeKey(token, FindKey(*token, NameOf(token->Name()), context), context);
}

std::function<std::shared_ptr<BindingCertificate const>()> Pkcs11ClientCertificate(Pkcs11Options options) {
  auto const source = std::make_shared<ClientCertificate>(options);
  return [source] { return source->Get(); };
}

}  // namespace mtlspop
