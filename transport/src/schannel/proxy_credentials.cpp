#include "schannel/proxy_credentials.hpp"

#include <string_view>
#include <utility>

#include <windows.h>

#include <wincrypt.h>

#include "mtlspop/transport/error.hpp"
#include "schannel/wide_text.hpp"

namespace mtlspop::schannel {

std::optional<ProxyCredentials> ReadProxyCredentials(Secret const& authorization) {
  constexpr std::string_view scheme = "Basic ";
  std::string_view const text = authorization.Reveal();
  if (text.substr(0, scheme.size()) != scheme) {
    return std::nullopt;
  }
  auto const base64 = text.substr(scheme.size());
  std::string plain(base64.size(), '\0');
  auto bytes = static_cast<DWORD>(plain.size());
  if (CryptStringToBinaryA(
          base64.data(), static_cast<DWORD>(base64.size()), CRYPT_STRING_BASE64, reinterpret_cast<BYTE*>(plain.data()),
          &bytes, nullptr, nullptr) == FALSE) {
    return std::nullopt;
  }
  plain.resize(bytes);
  auto const colon = plain.find(':');
  ProxyCredentials credentials{
      Widen(plain.substr(0, colon)), colon == std::string::npos ? std::wstring{} : Widen(plain.substr(colon + 1))};
  Cleanse(plain);
  return credentials;
}

}  // namespace mtlspop::schannel
