#include "key_vault_service.hpp"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "digest.hpp"

namespace mtlspop_emulator {

// Secrets and keys have the same calls, under other names.
struct VaultKind {
  std::string_view Plural;
  std::string_view DeletedPlural;
  std::string_view Word;
  std::string_view IdMember;
};

namespace {

using nlohmann::json;

constexpr char const Audience[] = "https://vault.azure.net";
constexpr VaultKind Kinds[] = {{"secrets", "deletedsecrets", "Secret", "id"}, {"keys", "deletedkeys", "Key", "kid"}};
constexpr VaultKind const& Secrets = Kinds[0];

// What a page has at most, and where the caller says nothing.
constexpr std::size_t PageSize = 25;

// How long a deleted object can be recovered.
constexpr std::time_t Retention = 90 * 86400;

std::vector<std::string> SegmentsOf(std::string_view path) {
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

Response NotFound(VaultKind const& kind, std::string const& name) {
  auto const word = std::string(kind.Word);
  return VaultError(
      404, word + "NotFound", "A " + LowerCase(word) + " with (name/id) " + name + " was not found in this key vault.");
}

std::string BaseOf(Request const& request) { return "https://" + std::string(request.Find("Host")) + "/"; }

json Attributes(VaultObject const& object) {
  return {
      {"enabled", true},
      {"created", object.Created},
      {"updated", object.Created},
      {"recoveryLevel", "Recoverable+Purgeable"},
      {"recoverableDays", Retention / 86400}};
}

// As it stands in a list, where only a version's own line names the version.
json ItemOf(VaultKind const& kind, std::string const& base, VaultObject const& object, bool withVersion) {
  auto const id = base + std::string(kind.Plural) + "/" + object.Name + (withVersion ? "/" + object.Version : "");
  json item = {{kind.IdMember, id}, {"attributes", Attributes(object)}, {"tags", json::object()}};
  if (object.Deleted != 0) {
    item["recoveryId"] = base + std::string(kind.DeletedPlural) + "/" + object.Name;
    item["deletedDate"] = object.Deleted;
    item["scheduledPurgeDate"] = object.Deleted + Retention;
  }
  return item;
}

// The whole of it. A deleted secret is shown without its value.
json BundleOf(VaultKind const& kind, std::string const& base, VaultObject const& object) {
  auto bundle = ItemOf(kind, base, object, true);
  if (&kind == &Secrets) {
    if (object.Deleted == 0) {
      bundle["value"] = object.Content;
    }
    return bundle;
  }
  auto key = json::parse(object.Content);
  key["kid"] = bundle["kid"];
  key["key_ops"] = {"encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"};
  bundle.erase("kid");
  bundle["key"] = std::move(key);
  return bundle;
}

Response BundleOr404(
    VaultKind const& kind, Request const& request, std::string const& name, std::optional<VaultObject> const& object) {
  return object ? JsonResponse(200, BundleOf(kind, BaseOf(request), *object)) : NotFound(kind, name);
}

bool IsName(std::string const& name) {
  return name.size() <= 127 && std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
         });
}

// How many a page is to have, or 0 for a number that the service does not take.
std::size_t PageSizeOf(Parameters const& parameters) {
  auto const text = OnlyValueOf(parameters, "maxresults");
  if (!text) {
    return PageSize;
  }
  std::size_t size = 0;
  auto const [end, error] = std::from_chars(text->data(), text->data() + text->size(), size);
  return error == std::errc() && end == text->data() + text->size() && size <= PageSize ? size : 0;
}

}  // namespace

KeyVaultService::KeyVaultService(World& world)
    : _world(world), _guard(world, {true, "BearerAuthenticationDisabledForKeyVault"}) {
  for (auto const& [name, value] : world.Settings.Secrets) {
    _secrets.Store(name, value);
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
  auto response = OnlyValueOf(request.QueryParameters(), "api-version").value_or("").empty()
                      ? VaultError(400, "BadParameter", "api-version must be specified")
                      : Route(request, SegmentsOf(request.Path));
  if (response.Status >= 400) {
    exchange.Error = response.Status == 404 ? "NotFound" : response.Status == 409 ? "Conflict" : "BadParameter";
  }
  return response;
}

Response KeyVaultService::Refuse(Exchange& exchange, ResourceRefusal const& refusal) const {
  std::string const code = refusal.Status == 401 ? "Unauthorized" : "Forbidden";
  exchange.Error = refusal.Code.empty() ? code : refusal.Code;
  json error = {{"code", code}, {"message", refusal.Message}};
  if (!refusal.Code.empty()) {
    error["message"] = "[" + refusal.Code + "] " + refusal.Message;
    error["innererror"] = {{"code", refusal.Code}};
  }
  auto response = JsonResponse(refusal.Status, {{"error", error}});
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

VaultObjects& KeyVaultService::Of(VaultKind const& kind) { return &kind == &Secrets ? _secrets : _keys; }

VaultObjects const& KeyVaultService::Of(VaultKind const& kind) const { return &kind == &Secrets ? _secrets : _keys; }

Response KeyVaultService::Route(Request const& request, Segments const& segments) {
  for (auto const& kind : Kinds) {
    if (!segments.empty() && segments.size() <= 3 && segments[0] == kind.Plural) {
      return Live(request, kind, segments);
    }
    if (!segments.empty() && segments.size() <= 3 && segments[0] == kind.DeletedPlural) {
      return Deleted(request, kind, segments);
    }
  }
  return VaultError(404, "NotFound", "There is no such resource.");
}

Response KeyVaultService::Live(Request const& request, VaultKind const& kind, Segments const& segments) {
  bool const listsVersions = segments.size() == 3 && segments[2] == "versions";
  if (request.Method == "GET" && (segments.size() == 1 || listsVersions)) {
    return List(request, kind, segments);
  }
  if (segments.size() == 1) {
    return VaultError(405, "MethodNotAllowed", "GET.");
  }
  auto const& name = segments[1];
  if (request.Method == "GET") {
    return BundleOr404(kind, request, name, Of(kind).Find(name, segments.size() == 3 ? segments[2] : std::string()));
  }
  if (request.Method == "DELETE" && segments.size() == 2) {
    return BundleOr404(kind, request, name, Of(kind).Delete(name));
  }
  bool const sets = &kind == &Secrets && request.Method == "PUT" && segments.size() == 2;
  bool const creates = &kind != &Secrets && request.Method == "POST" && segments.size() == 3 && segments[2] == "create";
  if (sets || creates) {
    return Make(request, kind, name);
  }
  return VaultError(405, "MethodNotAllowed", "GET, DELETE, PUT of a secret, or POST to /keys/{name}/create.");
}

Response KeyVaultService::Make(Request const& request, VaultKind const& kind, std::string const& name) {
  if (!IsName(name)) {
    return VaultError(400, "BadParameter", "A name has letters, digits and hyphens only, 127 at most.");
  }
  std::string content;
  if (&kind == &Secrets) {
    auto const body = ParseJsonObject(request.Body);
    if (!body || !body->contains("value") || !(*body)["value"].is_string()) {
      return VaultError(400, "BadParameter", "The body must be a JSON object with a string 'value'.");
    }
    content = (*body)["value"].get<std::string>();
  } else {
    KeyPtr const key(EVP_RSA_gen(2048));
    content = JsonText(JsonWebKey(key.get()));
  }
  auto const made = Of(kind).Store(name, std::move(content));
  if (!made) {
    return VaultError(
        409, "Conflict",
        std::string(kind.Word) + " " + name +
            " is currently in a deleted but recoverable state, and its name cannot be "
            "reused; it can be recovered or purged. (ObjectIsDeletedButRecoverable)");
  }
  return JsonResponse(200, BundleOf(kind, BaseOf(request), *made));
}

Response KeyVaultService::Deleted(Request const& request, VaultKind const& kind, Segments const& segments) {
  if (segments.size() == 1) {
    return request.Method == "GET" ? List(request, kind, segments) : VaultError(405, "MethodNotAllowed", "GET.");
  }
  auto const& name = segments[1];
  if (segments.size() == 3) {
    bool const recovers = request.Method == "POST" && segments[2] == "recover";
    return recovers ? BundleOr404(kind, request, name, Of(kind).Recover(name))
                    : VaultError(405, "MethodNotAllowed", "POST to recover.");
  }
  if (request.Method == "DELETE") {
    if (!Of(kind).Purge(name)) {
      return NotFound(kind, name);
    }
    Response response;
    response.Status = 204;
    return response;
  }
  return request.Method == "GET" ? BundleOr404(kind, request, name, Of(kind).FindDeleted(name))
                                 : VaultError(405, "MethodNotAllowed", "GET or DELETE.");
}

Response KeyVaultService::List(Request const& request, VaultKind const& kind, Segments const& segments) const {
  auto const parameters = request.QueryParameters();
  auto const size = PageSizeOf(parameters);
  auto const after = Base64UrlDecode(OnlyValueOf(parameters, "$skiptoken").value_or(""));
  if (size == 0 || !after) {
    return VaultError(400, "BadParameter", "maxresults must be 1 to 25, and $skiptoken one of a nextLink.");
  }
  bool const versions = segments.size() == 3;
  if (versions && !Of(kind).Find(segments[1], {})) {
    return NotFound(kind, segments[1]);
  }
  auto const page = versions                            ? Of(kind).ListVersions(segments[1], *after, size)
                    : segments[0] == kind.DeletedPlural ? Of(kind).ListDeleted(*after, size)
                                                        : Of(kind).List(*after, size);
  json items = json::array();
  for (auto const& object : page.Objects) {
    items.push_back(ItemOf(kind, BaseOf(request), object, versions));
  }
  json next = nullptr;
  if (!page.Next.empty()) {
    next = BaseOf(request) + request.Path.substr(1) + "?api-version=" + *OnlyValueOf(parameters, "api-version") +
           "&$skiptoken=" + Base64UrlEncode(page.Next) + "&maxresults=" + std::to_string(size);
  }
  return JsonResponse(200, {{"value", items}, {"nextLink", next}});
}

}  // namespace mtlspop_emulator
