#include "uri.hpp"

#include <array>
#include <cstddef>
#include <string_view>

#include <gsl/util>

#include "mtlspop/base/unbuffered_file.hpp"
#include "mtlspop/credential/errors.hpp"

namespace mtlspop::pkcs11 {
namespace {

constexpr std::size_t MostPinBytes = 4096;

Secret ReadPin(std::string const& path) {
  std::array<char, MostPinBytes + 1> content;
  auto const cleanse = gsl::finally([&] { Cleanse(content.data(), content.size()); });
  auto size = ReadUnbuffered(path, content);
  if (size == 0 || size > MostPinBytes) {
    throw Error{
        {errors::KeyUnavailable, "The PIN of the PKCS#11 token cannot be read from " + path,
         "Check that the file of pin-source exists, holds a PIN and nothing else, and that this process may read it"}};
  }
  while (size != 0 && (content[size - 1] == '\n' || content[size - 1] == '\r')) --size;
  return Secret{std::string_view{content.data(), size}};
}

}  // namespace

Uri::Uri(std::string const& text)
    : uri_(p11_kit_uri_new(), &p11_kit_uri_free), forMessages_(text.substr(0, text.find('?'))) {
  if (!uri_ || p11_kit_uri_parse(text.c_str(), P11_KIT_URI_FOR_ANY, uri_.get()) != P11_KIT_URI_OK) {
    throw Error{
        {errors::InvalidArgument, "The PKCS#11 URI " + forMessages_ + " cannot be read",
         "Write it as RFC 7512 has it, for example pkcs11:token=app;object=key?module-path=/usr/lib/softhsm/"
         "libsofthsm2.so&pin-source=file:/etc/app/pin"}};
  }
}

bool Uri::Matches(CK_FUNCTION_LIST* module, CK_SLOT_ID slot, CK_TOKEN_INFO const& token) const noexcept {
  CK_INFO library{};
  CK_SLOT_INFO place{};
  auto const wantedSlot = p11_kit_uri_get_slot_id(uri_.get());
  return p11_kit_uri_match_token_info(uri_.get(), const_cast<CK_TOKEN_INFO*>(&token)) == 1 &&
         (wantedSlot == static_cast<CK_SLOT_ID>(-1) || wantedSlot == slot) && module->C_GetInfo(&library) == CKR_OK &&
         p11_kit_uri_match_module_info(uri_.get(), &library) == 1 && module->C_GetSlotInfo(slot, &place) == CKR_OK &&
         p11_kit_uri_match_slot_info(uri_.get(), &place) == 1;
}

std::string Uri::ModulePath() const {
  auto const* const path = p11_kit_uri_get_module_path(uri_.get());
  return path != nullptr ? path : "";
}

Secret Uri::Pin() const {
  if (auto const* const value = p11_kit_uri_get_pin_value(uri_.get())) return Secret{std::string_view{value}};
  auto const* const source = p11_kit_uri_get_pin_source(uri_.get());
  if (source == nullptr) return {};
  std::string path = source;
  for (auto const* prefix : {"file://", "file:"}) {
    if (path.rfind(prefix, 0) == 0) {
      path.erase(0, std::string_view{prefix}.size());
      break;
    }
  }
  return ReadPin(path);
}

std::string Uri::Attribute(CK_ATTRIBUTE_TYPE type) const {
  auto const* const found = p11_kit_uri_get_attribute(uri_.get(), type);
  return found != nullptr ? std::string{static_cast<char const*>(found->pValue), found->ulValueLen} : std::string{};
}

std::string UriOfId(std::string const& id) {
  std::string text = "pkcs11:id=";
  for (char const byte : id) {
    char escaped[4];
    std::snprintf(escaped, sizeof escaped, "%%%02X", static_cast<unsigned>(static_cast<unsigned char>(byte)));
    text += escaped;
  }
  return text;
}

}  // namespace mtlspop::pkcs11
