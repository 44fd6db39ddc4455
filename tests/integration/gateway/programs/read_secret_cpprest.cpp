// Reads a secret with cpprestsdk as it is; knows nothing of bound tokens or handles. Since cpprestsdk reads no proxy from the
// environment on Linux, it does.
#include <cpprest/http_client.h>

#include <cstdlib>
#include <iostream>
#include <string>

namespace {

using web::http::client::http_client;
using web::http::client::http_client_config;

http_client_config WithProxy() {
  web::uri const proxy{std::getenv("HTTPS_PROXY")};
  auto const user = proxy.user_info();
  auto const colon = user.find(':');
  web::web_proxy through{web::uri_builder{}.set_scheme("http").set_host(proxy.host()).set_port(proxy.port()).to_uri()};
  through.set_credentials({user.substr(0, colon), user.substr(colon + 1)});
  http_client_config config;
  config.set_proxy(through);
  return config;
}

web::json::value Get(http_client& client, web::uri const& target, char const* name, std::string const& value) {
  web::http::http_request request{web::http::methods::GET};
  request.set_request_uri(target);
  request.headers().add(name, value);
  return client.request(request).get().extract_json(true).get();
}

}  // namespace

int main(int, char** argv) try {
  http_client metadata{std::getenv("AZURE_POD_IDENTITY_AUTHORITY_HOST")};
  web::uri_builder question{"/metadata/identity/oauth2/token"};
  question.append_query("api-version", "2018-02-01").append_query("resource", "https://vault.azure.net");
  auto const token = Get(metadata, question.to_uri(), "Metadata", "true").at("access_token").as_string();
  http_client vault{argv[1], WithProxy()};
  web::uri_builder secret{std::string{"/secrets/"} + argv[2]};
  secret.append_query("api-version", "7.4");
  std::cout << Get(vault, secret.to_uri(), "Authorization", "Bearer " + token).at("value").as_string() << '\n';
  return 0;
} catch (std::exception const& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
