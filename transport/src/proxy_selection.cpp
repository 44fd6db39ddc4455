#include "mtlspop/transport/proxy_selection.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "mtlspop/base/encoding.hpp"
#include "mtlspop/base/environment_variable.hpp"
#include "no_proxy.hpp"

namespace mtlspop {
namespace {

/// Leaves no copy behind: it may be a password.
Secret PercentDecode(std::string_view text) {
  auto const digit = [](char character) -> int {
    if (character >= '0' && character <= '9') {
      return character - '0';
    }
    char const lower = static_cast<char>(character | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
  };
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t index = 0; index < text.size(); ++index) {
    if (text[index] == '%' && index + 2 < text.size() && digit(text[index + 1]) >= 0 && digit(text[index + 2]) >= 0) {
      decoded += static_cast<char>(digit(text[index + 1]) * 16 + digit(text[index + 2]));
      index += 2;
    } else {
      decoded += text[index];
    }
  }
  return Secret{std::move(decoded)};
}

Secret BasicAuthorization(std::string_view user, std::string_view password) {
  if (user.empty()) {
    return {};
  }
  // With the room they need, so that none grows and leaves pieces behind.
  std::string plain;
  plain.reserve(user.size() + 1 + password.size());
  plain.append(user).append(1, ':').append(password);
  auto encoded = encoding::ToBase64(encoding::AsBytes(plain));
  Cleanse(plain);
  constexpr std::string_view scheme = "Basic ";
  std::string header;
  header.reserve(scheme.size() + encoded.size());
  header.append(scheme).append(encoded);
  Cleanse(encoded);
  return Secret{std::move(header)};
}

/// "[scheme://][user[:password]@]host[:port][/]". Without a scheme it is http, without a port 1080, as with curl.
Proxy ParseProxy(std::string_view text, char const* source) {
  auto const refuse = [source](std::string const& why) {
    ErrorDetails details{
        errors::InvalidArgument, std::string{"The proxy given in "} + source + " cannot be used: " + why,
        "Give http://host:port or https://host:port, or name the host in NO_PROXY"};
    details.NothingSent = true;
    return Error{std::move(details)};
  };
  auto const separator = text.find("://");
  std::string const scheme{separator == std::string_view::npos ? "http" : text.substr(0, separator)};
  auto rest = separator == std::string_view::npos ? text : text.substr(separator + 3);
  if (!EqualsIgnoreCase(scheme, "http") && !EqualsIgnoreCase(scheme, "https")) {
    throw refuse("only http and https proxies are supported");
  }
  Proxy proxy;
  proxy.Source = source;
  auto const at = rest.rfind('@');
  if (at != std::string_view::npos) {
    auto const user = rest.substr(0, at);
    auto const colon = std::min(user.find(':'), user.size());
    proxy.Authorization = BasicAuthorization(
        PercentDecode(user.substr(0, colon)).Reveal(),
        PercentDecode(user.substr(std::min(colon + 1, user.size()))).Reveal());
    rest = rest.substr(at + 1);
  }
  rest = rest.substr(0, rest.find('/'));
  auto const bracket = rest.rfind(']');
  auto const colon = rest.rfind(':');
  bool const hasPort = colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
  try {
    proxy.Address = Url::Parse(scheme + "://" + std::string{rest} + (hasPort ? "" : ":1080")).GetOrigin();
  } catch (Error const& error) {
    throw refuse(error.Details().What);
  }
  return proxy;
}

}  // namespace

/// The first of `names` that is set, also where it is set to nothing.
ProxySelection::Setting ProxySelection::FromEnvironment(
    Environment const& environment, std::initializer_list<char const*> names) {
  Setting setting;
  for (char const* const name : names) {
    char const* const value = environment(name);
    if (value == nullptr) {
      continue;
    }
    try {
      setting.Usable = *value == '\0' ? std::nullopt : std::make_optional(ParseProxy(value, name));
    } catch (Error const& error) {
      setting.Unusable = error;
    }
    break;
  }
  return setting;
}

ProxySelection::ProxySelection(ProxyOptions const& options) : ProxySelection(options, &ReadEnvironmentVariable) {}

ProxySelection::ProxySelection(ProxyOptions const& options, Environment const& environment)
    : direct_(SplitNoProxy(options.NoProxy)) {
  if (!options.Url.empty()) {
    forHttps_.Usable = ParseProxy(options.Url, "ProxyOptions::Url");
    if (!options.UserName.empty()) {
      forHttps_.Usable->Authorization = BasicAuthorization(options.UserName, options.Password.Reveal());
    }
    forHttp_ = forHttps_;
    return;
  }
  if (!options.UseEnvironment) {
    return;
  }
  // HTTP_PROXY in upper case is not read: in a CGI program it is a header that the client sends (CVE-2016-5385).
  forHttps_ = FromEnvironment(environment, {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"});
  forHttp_ = FromEnvironment(environment, {"http_proxy", "all_proxy", "ALL_PROXY"});
  for (char const* const name : {"no_proxy", "NO_PROXY"}) {
    if (char const* const value = environment(name)) {
      auto const more = SplitNoProxy(value);
      direct_.insert(direct_.end(), more.begin(), more.end());
      break;
    }
  }
}

Proxy const* ProxySelection::For(Origin const& origin) const {
  auto const& setting = origin.IsHttps() ? forHttps_ : forHttp_;
  if ((!setting.Usable && !setting.Unusable) || IsDirect(direct_, origin.Host)) {
    return nullptr;
  }
  if (setting.Unusable) {
    throw *setting.Unusable;
  }
  return &*setting.Usable;
}

}  // namespace mtlspop
