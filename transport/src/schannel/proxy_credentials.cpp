#include "schannel/proxy_credentials.hpp"

#include <string_view>
#include <utility>

#include "mtlspop/base/encoding.hpp"
#include "mtlspop/base/windows/wide_text.hpp"

namespace mtlspop::schannel {

std::optional<ProxyCredentials> ReadProxyCredentials(Secret const& authorization) {
  constexpr std::string_view scheme = "Basic ";
  std::string_view const text = authorization.Reveal();
  if (text.substr(0, scheme.size()) != scheme) {
    return std::nullopt;
  }
  auto bytes = encoding::FromBase64(text.substr(scheme.size()));
  if (!bytes) {
    return std::nullopt;
  }
  std::string plain{bytes->begin(), bytes->end()};
  Cleanse(bytes->data(), bytes->size());
  auto const colon = plain.find(':');
  ProxyCredentials credentials{
      Widen(plain.substr(0, colon)), colon == std::string::npos ? std::wstring{} : Widen(plain.substr(colon + 1))};
  Cleanse(plain);
  return credentials;
}

}  // namespace mtlspop::schannel
