#include "stored_binding_text.hpp"

#include <array>
#include <cstdint>
#include <new>
#include <utility>
#include <vector>

#include <openssl/pem.h>

#include "../crypto.hpp"
#include "../form.hpp"
#include "../json.hpp"
#include "../service_endpoint.hpp"
#include "boot_id.hpp"
#include "mtlspop/base/encoding.hpp"
#include "mtlspop/base/openssl/error_queue.hpp"
#include "mtlspop/base/saturated_time.hpp"
#include "mtlspop/credential/openssl.hpp"
#include "mtlspop/transport/openssl.hpp"
#include "ossl.hpp"

namespace mtlspop {
namespace {

using std::chrono::system_clock;

/// Of the form of the file.
constexpr std::int64_t Version = 2;

Secret ExportKey(PrivateKeyHandle const& handle) {
  ERR_clear_error();
  openssl::BioPtr const out{BIO_new(BIO_s_secmem())};
  if (!out) throw std::bad_alloc{};
  auto const key = openssl::GetPrivateKey(handle);
  if (PEM_write_bio_PKCS8PrivateKey(out.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    openssl::RequireMemory();
    return {};
  }
  char* text = nullptr;
  long const length = BIO_get_mem_data(out.get(), &text);
  return Secret{std::string_view{text, static_cast<std::size_t>(length)}};
}

openssl::EvpPkeyPtr ImportKey(std::string_view pem) {
  ERR_clear_error();
  openssl::BioPtr const in{BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))};
  auto const noPassword = [](char*, int, int, void*) { return -1; };
  openssl::EvpPkeyPtr key{PEM_read_bio_PrivateKey(in.get(), nullptr, noPassword, nullptr)};
  openssl::RequireMemory();
  return key;
}

/// Over all members but "sha256" itself. Against what disks and editors do: who may write the file may write this too.
/// @param object all members but those two that are given here or computed: a key never gets into a JSON tree, whose parser
/// and nodes would leave copies behind
std::string DigestOf(json::Value const& object, Secret const& key) {
  auto const others = object.ToText();
  std::string text;
  text.reserve(others.size() + 1 + key.Reveal().size());
  text.append(others).append("\n").append(key.Reveal());
  Secret const whole{std::move(text)};
  return encoding::ToBase64Url(crypto::Sha256(encoding::AsBytes(whole.Reveal())));
}

/// Takes the digest out of `object`.
bool IsWhole(json::Value& object, Secret const& key) {
  auto const digest = json::FindString(object, "sha256");
  object.Erase("sha256");
  return digest && *digest == DigestOf(object, key);
}

/// `object` with one more member.
Secret WithKey(json::Value const& object, Secret const& key) {
  std::array<FormField, 1> const member{{{"key", key.Reveal()}}};
  auto const last = WriteJsonObject(member);
  auto const others = object.ToText();
  std::string text;
  text.reserve(others.size() + last.Reveal().size());
  text.append(others, 0, others.size() - 1).append(",").append(last.Reveal().substr(1));
  return Secret{std::move(text)};
}

}  // namespace

Secret WriteStoredBinding(std::string_view name, StoredBinding const& binding, KeyProvider const* keys) {
  bool const canLeave = binding.Certificate->Strength() <= KeyStrength::Software;
  auto const key = canLeave ? ExportKey(binding.Certificate->Key()) : Secret{};
  auto const reference = key.Empty() && binding.Key && keys != nullptr ? binding.Key->Reference() : std::string{};
  if (key.Empty() && reference.empty()) return {};
  auto object = json::Value::Object();
  object.Set("version", Version);
  object.Set("name", name);
  object.Set("x5t_s256", binding.Certificate->X5tS256());
  object.Set("mtls_endpoint", binding.MtlsEndpoint);
  object.Set("token_endpoint", binding.TokenEndpoint);
  object.Set("client_id", binding.ClientId);
  object.Set("tenant_id", binding.TenantId);
  object.Set("attested", binding.Attested);
  object.Set(
      "issued_on",
      std::int64_t{std::chrono::duration_cast<std::chrono::seconds>(binding.IssuedOn.time_since_epoch()).count()});
  object.Set("key_reference", reference);
  object.Set("boot_id", BootId());
  auto& chain = object.Set("chain", json::Value::Array());
  for (auto const& certificate : binding.Certificate->Chain()) chain.Append(encoding::ToBase64(certificate));
  object.Set("sha256", DigestOf(object, key));
  return WithKey(object, key);
}

namespace {

/// Whether the key really signs: one that opens need not.
bool Signs(BindingKey const& key) {
  std::array<std::uint8_t, 32> probe{};
  crypto::FillRandom(probe);
  return crypto::VerifyPssSha256(key.SubjectPublicKeyInfo(), probe, key.SignPssSha256(probe));
}

/// How far clocks may be apart, and this machine's be put back.
constexpr std::chrono::minutes ClockSkew{5};

/// Whether a certificate that ends then can have been issued at that time.
bool CanBeIssuedOn(system_clock::time_point issuedOn, system_clock::time_point now, system_clock::time_point notAfter) {
  return issuedOn <= now + ClockSkew && issuedOn < notAfter;
}

std::optional<std::vector<BindingCertificate::Der>> ReadChain(json::Value const& object) {
  auto const* const member = object.Find("chain");
  auto const* const elements = member == nullptr ? nullptr : member->AsArray();
  if (elements == nullptr) return std::nullopt;
  std::vector<BindingCertificate::Der> chain;
  for (auto const& certificate : *elements) {
    auto const* const text = certificate.Text();
    auto der = text == nullptr ? std::nullopt : encoding::FromBase64(*text);
    if (!der) return std::nullopt;
    chain.push_back(std::move(*der));
  }
  return chain;
}

/// All members but key and certificate. None where one is missing or has no sense.
std::optional<StoredBinding> ReadNames(json::Value const& object) {
  auto const issuedOn = json::FindInteger(object, "issued_on");
  auto const* const flag = object.Find("attested");
  auto const attested = flag == nullptr ? std::nullopt : flag->Boolean();
  StoredBinding binding;
  binding.MtlsEndpoint = json::FindString(object, "mtls_endpoint").value_or("");
  binding.TokenEndpoint = json::FindString(object, "token_endpoint").value_or("");
  binding.ClientId = json::FindString(object, "client_id").value_or("");
  binding.TenantId = json::FindString(object, "tenant_id").value_or("");
  bool const isWhole = json::FindInteger(object, "version") == Version && issuedOn && !binding.ClientId.empty() &&
                       !binding.TenantId.empty() && attested;
  bool const isGood = isWhole && *issuedOn >= 0 && ToHttpsEndpoint(binding.MtlsEndpoint) &&
                      (binding.TokenEndpoint.empty() || ToHttpsEndpoint(binding.TokenEndpoint));
  if (!isGood) return std::nullopt;
  binding.Attested = *attested;
  binding.IssuedOn = ToSaturatedTime(*issuedOn);
  return binding;
}

/// The key in a file, or the one that it names. Null where there is none that can be opened.
std::shared_ptr<BindingKey const> OpenStoredKey(json::Value const& object, Secret const& pem, KeyProvider* keys) {
  auto const reference = json::FindString(object, "key_reference").value_or("");
  if (!reference.empty()) {
    // Longer than a device takes, and not for ever.
    auto const context = openssl::SigningContext::Current().WithTimeout(std::chrono::seconds{30});
    return keys == nullptr ? nullptr : keys->OpenKey(reference, context);
  }
  auto const key = ImportKey(pem.Reveal());
  if (!key) return nullptr;
  return openssl::WrapBindingKey(gsl::make_not_null(key.get()), KeyStrength::Software).get();
}

}  // namespace

std::optional<StoredBinding> ReadStoredBinding(
    std::string& text, std::string_view name, KeyProvider* keys, system_clock::time_point now) {
  auto const pem = json::TakeSecret(text, "key");
  auto object = json::ParseObject(text);
  if (!object || !object->Erase("key") || !IsWhole(*object, pem)) return std::nullopt;
  if (json::FindString(*object, "name") != name) return std::nullopt;
  auto binding = ReadNames(*object);
  auto chain = ReadChain(*object);
  if (!binding || !chain) return std::nullopt;
  binding->Key = OpenStoredKey(*object, pem, keys);
  if (!binding->Key || !Signs(*binding->Key)) return std::nullopt;
  // Throws where the key does not belong to the certificate.
  binding->Certificate =
      crypto::MakeBindingCertificate(std::move(*chain), binding->Key->Handle(), binding->Key->Strength());
  // A flipped bit can leave a certificate that reads well and that nobody issued.
  if (json::FindString(*object, "x5t_s256") != binding->Certificate->X5tS256()) return std::nullopt;
  if (!CanBeIssuedOn(binding->IssuedOn, now, binding->Certificate->NotAfter())) return std::nullopt;
  // A key in a file goes with a copy of the file, to machines that were made of this one's disk too; one in a device does not.
  if (!pem.Empty() && json::FindString(*object, "boot_id") != BootId()) return std::nullopt;
  return binding;
}

}  // namespace mtlspop
