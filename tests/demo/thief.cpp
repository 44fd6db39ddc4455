#include "thief.hpp"

#include <nlohmann/json.hpp>
#include <utility>

namespace demo {
namespace {

std::string InnermostCode(std::string const& body) {
  auto node = nlohmann::json::parse(body, nullptr, false);
  if (!node.is_object() || !node.contains("error")) return {};
  node = nlohmann::json(node["error"]);
  while (node.contains("innererror") && node["innererror"].is_object()) {
    node = nlohmann::json(node["innererror"]);
  }
  return node.value("code", "");
}

}  // namespace

Thief::Thief(gsl::not_null<std::shared_ptr<mtlspop::HttpTransport>> transport, std::string secretUrl, std::string token)
    : transport_(std::move(transport)), secretUrl_(std::move(secretUrl)), token_(std::move(token)) {}

Answer Thief::Try(std::shared_ptr<mtlspop::BindingCertificate const> const& certificate) const {
  mtlspop::Request request{"GET", mtlspop::Url::Parse(secretUrl_)};
  // Without a certificate it can only be passed off as one that needs none.
  request.Fields.Set("Authorization", (certificate ? "mtls_pop " : "Bearer ") + token_);
  if (certificate) request.Fields.Set("x-ms-tokenboundauth", "true");
  auto const context = mtlspop::Context{}.WithTimeout(std::chrono::seconds{10});
  auto const response = transport_->Send(request, certificate, context);
  auto const body = mtlspop::ReadToEnd(*response->Body, mtlspop::DefaultBufferedBodyBytes, context);
  return {response->StatusCode, InnermostCode(body)};
}

}  // namespace demo
