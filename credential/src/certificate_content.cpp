#include "certificate_content.hpp"

#include <algorithm>
#include <iterator>
#include <string_view>

#include "mtlspop/base/encoding.hpp"
#include "mtlspop/credential/errors.hpp"

namespace mtlspop {
namespace {

constexpr std::string_view Utf8Mark = "\xEF\xBB\xBF";
constexpr std::string_view JavaKeyStore = "\xFE\xED\xFE\xED";
constexpr char DerSequence = '\x30';

[[noreturn]] void Refuse(std::string const& name, char const* what, char const* action) {
  throw Error{{errors::ClientCertificateUnusable, "The client certificate " + name + " " + what, action}};
}

/// With or without a byte order mark: PEM has nothing but ASCII, so every second byte of it is zero.
bool IsUtf16(std::string_view text) noexcept {
  if (text.size() < 4) return false;
  if (text.substr(0, 2) == "\xFF\xFE" || (text.substr(0, 2) == "\xFE\xFF" && text.substr(0, 4) != JavaKeyStore)) {
    return true;
  }
  return (text[0] == '\0' && text[1] == '-') || (text[0] == '-' && text[1] == '\0');
}

bool IsBase64(std::string_view text) noexcept {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/' ||
           c == '=' || c == '\r' || c == '\n' || c == ' ' || c == '\t';
  });
}

/// The DER that `text` is the base64 of, the empty secret where it is something else.
Secret DecodeDer(std::string_view text) {
  Secret const packed{[text] {
    std::string characters;
    characters.reserve(text.size());
    std::copy_if(
        text.begin(), text.end(), std::back_inserter(characters), [](char c) { return c != ' ' && c != '\t'; });
    return characters;
  }()};
  auto bytes = encoding::FromBase64(packed.Reveal());
  if (!bytes) return {};
  Secret der{std::string_view{reinterpret_cast<char const*>(bytes->data()), bytes->size()}};
  Cleanse(bytes->data(), bytes->size());
  return !der.Empty() && der.Reveal().front() == DerSequence ? der : Secret{};
}

}  // namespace

Secret ReadCertificateContent(Secret const& content, std::string const& name) {
  auto text = content.Reveal();
  if (IsUtf16(text)) {
    Refuse(
        name, "is a text in UTF-16",
        "Save it as ASCII or UTF-8; in PowerShell, Out-File -Encoding ascii, or Set-Content -AsByteStream for PKCS#12");
  }
  if (text.substr(0, JavaKeyStore.size()) == JavaKeyStore) {
    Refuse(
        name, "is a Java key store, which is neither PEM nor PKCS#12",
        "Convert it: keytool -importkeystore -srckeystore OLD -destkeystore NEW.p12 -deststoretype PKCS12");
  }
  if (text.substr(0, Utf8Mark.size()) == Utf8Mark) text.remove_prefix(Utf8Mark.size());
  if (IsBase64(text)) {
    if (auto der = DecodeDer(text); !der.Empty()) return der;
  }
  return content;
}

}  // namespace mtlspop
