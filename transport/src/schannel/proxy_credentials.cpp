#include "schannel/proxy_credentials.hpp"

#include <string_view>

#include "mtlspop/base/encoding.hpp"

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
  std::string_view const plain{reinterpret_cast<char const*>(bytes->data()), bytes->size()};
  auto const colon = plain.find(':');
  ProxyCredentials credentials;
  credentials.UserName.AppendUtf8(plain.substr(0, colon));
  if (colon != std::string_view::npos) {
    credentials.Password.AppendUtf8(plain.substr(colon + 1));
  }
  Cleanse(bytes->data(), bytes->size());
  return credentials;
}

}  // namespace mtlspop::schannel
