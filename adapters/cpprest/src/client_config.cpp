#include "client_config.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include <gsl/util>

#include "mtlspop/transport/environment.hpp"

namespace mtlspop::cpprest {
namespace {

using web::http::client::http_client_config;

[[noreturn]] void Refuse(std::string what, std::string action) {
  throw Error{{errors::InvalidArgument, std::move(what), std::move(action)}};
}

ProxyOptions ProxyFor(web::web_proxy const& proxy) {
  ProxyOptions options;
  options.UseEnvironment = !proxy.is_disabled();
  if (!proxy.is_specified()) return options;
  auto address = web::uri_builder{proxy.address()};
  // Where cpprestsdk looks for a proxy whose address has no port.
  if (proxy.address().port() <= 0) address.set_port(8080);
  address.set_path({});
  options.Url = utility::conversions::to_utf8string(
      address.scheme() + utility::string_t(_XPLATSTR("://")) + address.to_uri().authority().host() +
      utility::string_t(_XPLATSTR(":")) + utility::conversions::to_string_t(std::to_string(address.port())));
  if (proxy.credentials().is_set()) {
    options.UserName = utility::conversions::to_utf8string(proxy.credentials().username());
    // Taken from cpprestsdk's own deleter, which frees and wipes it on Windows only.
    std::unique_ptr<utility::string_t> const password{proxy.credentials()._internal_decrypt().release()};
    auto const wipe = gsl::finally([&password] {
      std::fill_n(static_cast<utility::char_t volatile*>(&(*password)[0]), password->size(), utility::char_t{});
    });
    options.Password = Secret{utility::conversions::to_utf8string(*password)};
  }
  return options;
}

}  // namespace

void RefuseUnusable(http_client_config const& config) {
  if (!config.validate_certificates()) {
    Refuse(
        "http_client_config asks not to validate certificates",
        "Remove set_validate_certificates(false): a bound token must not go to a server that nobody vouches for. For a "
        "test environment give its certificate authority in TrustOptions::CaFile or MTLSPOP_CA_FILE");
  }
  if (config.credentials().is_set()) {
    Refuse(
        "http_client_config has credentials for the server",
        "Remove set_credentials: the request is authorized with a token");
  }
  if (config.oauth1() || config.oauth2()) {
    Refuse(
        "http_client_config has OAuth settings",
        "Remove set_oauth1 and set_oauth2: the request is authorized with the credential's token");
  }
  if (config.proxy().is_auto_discovery()) {
    Refuse(
        "http_client_config asks the network for a proxy",
        "Give the proxy's address (web_proxy{uri}), or leave it unset for the one that HTTPS_PROXY names");
  }
#if !defined(_WIN32) && !defined(__cplusplus_winrt) || defined(CPPREST_FORCE_HTTP_CLIENT_ASIO)
  if (config.get_ssl_context_callback()) {
    Refuse(
        "http_client_config has a TLS context callback",
        "Remove set_ssl_context_callback: the connection is this library's own. Trust, versions and client "
        "certificates "
        "are set with TransportOptions and the credential");
  }
  if (!config.is_tlsext_sni_enabled()) {
    Refuse(
        "http_client_config switches SNI off",
        "Remove set_tlsext_sni_enabled(false): bound requests always name the host");
  }
#endif
}

std::shared_ptr<HttpTransport> TransportFor(HandlerOptions const& options) {
  auto const& proxy = options.Config.proxy();
  auto const asksForProxy = proxy.is_specified() || proxy.is_disabled();
  if (options.Transport && asksForProxy) {
    Refuse(
        "both a transport and a proxy are given",
        "Set the proxy in the TransportOptions that the transport is made from, and leave it out of "
        "http_client_config");
  }
  if (options.Transport) return options.Transport;
  if (!asksForProxy) return DefaultHttpTransport();
  TransportOptions settings;
  settings.Proxy = ProxyFor(proxy);
  settings.Observer = options.Observer;
  return MakeHttpTransport(TransportOptionsFromEnvironment(std::move(settings)));
}

}  // namespace mtlspop::cpprest
