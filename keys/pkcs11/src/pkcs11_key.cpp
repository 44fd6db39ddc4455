#include "mtlspop/pkcs11/pkcs11_key.hpp"

#include <mutex>

#include <openssl/x509.h>

#include "mtlspop/credential/errors.hpp"
#include "mtlspop/credential/openssl.hpp"
#include "mtlspop/transport/openssl.hpp"
#include "objects.hpp"
#include "pkcs11_signer.hpp"
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
  token.Run(context, Token::Access::Read, [&](Session const& session) { key = FindPrivateKey(session, name); });
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
      : token_(std::make_shared<Token>(options)), makesKeys_(options.MakeKeys) {}

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
    token_->Run(context, Token::Access::Write, [&](Session const& session) { key = FindOrMake(session, request); });
    if (!key) ThrowNoKey(token_->Name());
    return Wrap(*key, context);
  }

  std::shared_ptr<BindingKey const> OpenKey(std::string const& reference, Context const& context) override {
    if (reference.rfind("pkcs11:", 0) != 0) return nullptr;
    return Wrap(FindKey(*token_, NameOf(pkcs11::Uri{reference}), context), context).get();
  }

 private:
  std::optional<KeyFacts> FindOrMake(Session const& session, KeyRequest const& request) const {
    auto const name = NameOf(token_->Name());
    auto const found = FindPrivateKey(session, name);
    bool const isUnwanted =
        found && request.ForceNew && (request.Refused.empty() || request.Refused == found->PublicKey);
    if (found && !isUnwanted) return found;
    if (found) DestroyKey(session, *found);
    GenerateRsaKey(session, name.Label);
    return FindPrivateKey(session, name);
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
    std::lock_guard<std::mutex> const lock{mutex_};
    auto const facts = FindKey(*token_, NameOf(token_->Name()), {});
    auto chain = ReadChain(facts);
    if (current_ && chain == current_->Chain()) return current_;
    auto const key = MakeKey(token_, facts, {});
    current_ = openssl::MakeBindingCertificate(
        std::move(chain), openssl::WrapPrivateKey(gsl::make_not_null(key.get().get())), KeyStrength::Hardware);
    return current_;
  }

 private:
  /// The certificate of the key, by its id or by its label: tokens keep to one or the other.
  std::vector<Bytes> ReadChain(KeyFacts const& facts) {
    std::vector<Bytes> found;
    token_->Run({}, Token::Access::Read, [&](Session const& session) {
      found = facts.Name.Id.empty() ? std::vector<Bytes>{} : FindCertificates(session, {{}, facts.Name.Id});
      if (found.empty()) found = FindCertificates(session, {facts.Name.Label, {}});
    });
    for (auto const& der : found) {
      if (pkcs11::PublicKeyInCertificate(der) == facts.PublicKey) return {der};
    }
    throw Error{
        {errors::ClientCertificateUnusable,
         "The token has no certificate for the private key of the PKCS#11 URI " + token_->Name().ForMessages(),
         "Put the certificate beside the key, with the same id or label (pkcs11-tool --write-object --type cert)"}};
  }

  std::shared_ptr<Token> token_;
  std::mutex mutex_;
  std::shared_ptr<BindingCertificate const> current_;
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
