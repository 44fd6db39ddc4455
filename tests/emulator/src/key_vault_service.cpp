#include "key_vault_service.hpp"

#include <nlohmann/json.hpp>

#include "clock.hpp"
#include "digest.hpp"

namespace mtlspop_emulator {
namespace {

using nlohmann::json;

constexpr char const Audience[] = "https://vault.azure.net";

std::vector<std::string> Segments(std::string_view path) {
  std::vector<std::string> segments;
  while (!path.empty()) {
    auto const end = std::min(path.find('/'), path.size());
    auto const segment = path.substr(0, end);
    // The Azure SDK for C++ asks for the latest version of a secret as "%2F".
    if (!segment.empty() && segment != "%2F") {
      segments.emplace_back(segment);
    }
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return segments;
}

Response VaultError(unsigned status, std::string_view code, std::string_view message) {
  return JsonResponse(status, {{"error", {{"code", code}, {"message", message}}}});
}

json Attributes(std::time_t created) {
  return {{"enabled", true}, {"created", created}, {"updated", created}, {"recoveryLevel", "Recoverable+Purgeable"}};
}

std::string BaseOf(Request const& request) { return "https://" + std::string(request.Find("Host")); }

}  // namespace

KeyVaultService::KeyVaultService(World& world) : _world(world), _guard(world) {
  for (auto const& [name, value] : world.Settings.Secrets) {
    Store(_secrets, name, value);
  }
}

Response KeyVaultService::Handle(Exchange& exchange) {
  auto response = Dispatch(exchange);
  response.Set("x-ms-keyvault-service-version", "1.9.0.0");
  response.Set("x-ms-request-id", RandomGuid());
  auto const clientRequestId = exchange.Incoming.Find("x-ms-client-request-id");
  if (!clientRequestId.empty()) {
    response.Set("x-ms-client-request-id", std::string(clientRequestId));
  }
  return response;
}

Response KeyVaultService::Dispatch(Exchange& exchange) {
  auto const& request = exchange.Incoming;
  auto const checked = _guard.Check(exchange, Audience);
  if (auto const* refusal = std::get_if<ResourceRefusal>(&checked)) {
    return Refuse(exchange, *refusal);
  }
  Response response;
  auto const segments = Segments(request.Path);
  if (OnlyValueOf(request.QueryParameters(), "api-version").value_or("").empty()) {
    response = VaultError(400, "BadParameter", "api-version must be specified");
  } else if (!segments.empty() && segments[0] == "secrets" && segments.size() <= 3) {
    response = Secret(request, segments);
  } else if (segments.size() >= 2 && segments[0] == "keys" && segments.size() <= 3) {
    response = Key(request, segments);
  } else {
    response = VaultError(404, "NotFound", "There is no such resource.");
  }
  if (response.Status >= 400) {
    exchange.Error = response.Status == 404 ? "NotFound" : "BadParameter";
  }
  return response;
}

Response KeyVaultService::Refuse(Exchange& exchange, ResourceRefusal const& refusal) const {
  exchange.Error = refusal.Code;
  auto response = JsonResponse(
      refusal.Status, {{"error",
                        {{"code", refusal.Status == 401 ? "Unauthorized" : "Forbidden"},
                         {"message", "[" + refusal.Code + "] " + refusal.Message},
                         {"innererror", {{"code", refusal.Code}}}}}});
  if (refusal.Status == 401) {
    std::string challenge = "Bearer authorization=\"https://login.microsoftonline.com/" +
                            _world.People.DefaultTenant() + "\", resource=\"" + Audience + "\"";
    if (!refusal.ChallengeParameters.empty()) {
      challenge += ", " + refusal.ChallengeParameters;
    }
    response.Set("WWW-Authenticate", challenge);
  }
  return response;
}

KeyVaultService::Version const* KeyVaultService::Find(
    Objects const& objects, std::string const& name, std::string const& version) {
  auto const found = objects.find(name);
  if (found == objects.end()) {
    return nullptr;
  }
  for (auto it = found->second.rbegin(); it != found->second.rend(); ++it) {
    if (version.empty() || it->Id == version) {
      return &*it;
    }
  }
  return nullptr;
}

KeyVaultService::Version const& KeyVaultService::Store(Objects& objects, std::string const& name, std::string content) {
  auto& versions = objects[name];
  versions.push_back({HexEncode(RandomBytes(16)), std::move(content), Now()});
  return versions.back();
}

Response KeyVaultService::Secret(Request const& request, std::vector<std::string> const& segments) {
  std::lock_guard const lock(_mutex);
  auto const base = BaseOf(request) + "/secrets/";
  if (segments.size() == 1) {
    return ListSecrets(base);
  }
  auto const& name = segments[1];
  Version const* version = nullptr;
  if (request.Method == "PUT" && segments.size() == 2) {
    auto const body = ParseJsonObject(request.Body);
    if (!body || !body->contains("value") || !(*body)["value"].is_string()) {
      return VaultError(400, "BadParameter", "The body must be a JSON object with a string 'value'.");
    }
    version = &Store(_secrets, name, (*body)["value"].get<std::string>());
  } else if (request.Method == "GET") {
    version = Find(_secrets, name, segments.size() == 3 ? segments[2] : std::string());
  } else {
    return VaultError(405, "MethodNotAllowed", "GET or PUT.");
  }
  if (version == nullptr) {
    return VaultError(404, "SecretNotFound", "A secret with (name/id) " + name + " was not found in this key vault.");
  }
  return JsonResponse(
      200, {{"value", version->Content},
            {"id", base + name + "/" + version->Id},
            {"attributes", Attributes(version->Created)},
            {"tags", json::object()}});
}

Response KeyVaultService::ListSecrets(std::string const& base) const {
  json list = json::array();
  for (auto const& [name, versions] : _secrets) {
    list.push_back({{"id", base + name}, {"attributes", Attributes(versions.back().Created)}});
  }
  return JsonResponse(200, {{"value", list}, {"nextLink", nullptr}});
}

Response KeyVaultService::Key(Request const& request, std::vector<std::string> const& segments) {
  auto const& name = segments[1];
  bool const create = request.Method == "POST" && segments.size() == 3 && segments[2] == "create";
  std::string made;
  if (create) {
    KeyPtr const key(EVP_RSA_gen(2048));
    made = JsonText(JsonWebKey(key.get()));
  }
  std::lock_guard const lock(_mutex);
  Version const* version = nullptr;
  if (create) {
    version = &Store(_keys, name, std::move(made));
  } else if (request.Method == "GET") {
    version = Find(_keys, name, segments.size() == 3 ? segments[2] : std::string());
  } else {
    return VaultError(405, "MethodNotAllowed", "GET, or POST to /keys/{name}/create.");
  }
  if (version == nullptr) {
    return VaultError(404, "KeyNotFound", "A key with (name/id) " + name + " was not found in this key vault.");
  }
  auto key = json::parse(version->Content);
  key["kid"] = BaseOf(request) + "/keys/" + name + "/" + version->Id;
  key["key_ops"] = {"encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"};
  return JsonResponse(200, {{"key", key}, {"attributes", Attributes(version->Created)}, {"tags", json::object()}});
}

}  // namespace mtlspop_emulator
