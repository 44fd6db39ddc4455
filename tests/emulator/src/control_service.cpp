#include "control_service.hpp"

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "clock.hpp"
#include "connection_registry.hpp"
#include "faults.hpp"
#include "page.hpp"
#include "wire_log.hpp"

namespace mtlspop_emulator {
namespace {

using nlohmann::json;

Response JsonTextResponse(std::string text) {
  Response response;
  response.Body = std::move(text);
  response.Set("Content-Type", "application/json; charset=utf-8");
  return response;
}

Response Done() { return JsonResponse(200, {{"ok", true}}); }

Response WrongMethod() { return JsonResponse(405, {{"error", "method not allowed here"}}); }

std::uint64_t NumberOf(Request const& request, std::string_view name, std::uint64_t otherwise) {
  auto const text = OnlyValueOf(request.QueryParameters(), name);
  return text ? std::strtoull(text->c_str(), nullptr, 10) : otherwise;
}

json BodyOf(Request const& request) {
  auto body = json::parse(request.Body.empty() ? "{}" : request.Body, nullptr, false);
  if (body.is_discarded()) {
    throw std::invalid_argument("the body is no JSON");
  }
  return body;
}

}  // namespace

bool ControlService::IsFor(Request const& request) {
  return request.Path.compare(0, 10, "/emulator/") == 0 || request.Path == "/";
}

Response ControlService::Handle(Exchange& exchange) {
  auto const& request = exchange.Incoming;
  auto const reason = _guard->ReasonToRefuse(request);
  auto response = reason.empty() ? Call(request) : JsonResponse(403, {{"error", reason}});
  // No page elsewhere may make anything of an answer.
  response.Set("X-Content-Type-Options", "nosniff");
  response.Set("Cross-Origin-Resource-Policy", "same-origin");
  response.Set("Cache-Control", "no-store");
  return response;
}

Response ControlService::Call(Request const& request) {
  if (request.Path == "/") {
    return request.Method == "GET" || request.Method == "HEAD" ? PageResponse() : WrongMethod();
  }
  using Handler = Response (ControlService::*)(Request const&);
  static std::pair<std::string_view, Handler> const handlers[] = {
      {"log", &ControlService::Log},
      {"statistics", &ControlService::StatisticsOf},
      {"faults", &ControlService::FaultsOf},
      {"release", &ControlService::Release},
      {"held", &ControlService::Held},
      {"apps", &ControlService::Apps},
      {"claims-challenge", &ControlService::Challenge},
      {"close-connections", &ControlService::CloseConnections},
      {"clock", &ControlService::Clock},
      {"wire-secrets", &ControlService::WireSecrets},
      {"startup", &ControlService::Startup},
      {"road", &ControlService::Road}};
  auto const name = std::string_view(request.Path).substr(10);
  for (auto const& [known, handler] : handlers) {
    if (name == known) {
      try {
        return (this->*handler)(request);
      } catch (std::invalid_argument const& error) {
        return JsonResponse(400, {{"error", error.what()}});
      } catch (json::exception const& error) {
        return JsonResponse(400, {{"error", error.what()}});
      }
    }
  }
  return JsonResponse(404, {{"error", "no such control call"}});
}

Response ControlService::Log(Request const& request) {
  if (request.Method == "DELETE") {
    _log.Clear();
    return Done();
  }
  auto const service = OnlyValueOf(request.QueryParameters(), "service").value_or("");
  return JsonTextResponse(_log.ToJson(NumberOf(request, "since", 0), service));
}

Response ControlService::StatisticsOf(Request const& request) {
  if (request.Method == "DELETE") {
    _world.Counters.Clear();
    return Done();
  }
  auto statistics = _world.Counters.ToJson();
  statistics["open_connections"] = _connections.OpenByListener();
  return JsonResponse(200, statistics);
}

Response ControlService::FaultsOf(Request const& request) {
  if (request.Method == "DELETE") {
    _faults.Clear();
    return Done();
  }
  if (request.Method == "GET") {
    return JsonResponse(200, _faults.Describe());
  }
  auto const body = BodyOf(request);
  for (auto const& description : body.is_array() ? body : json::array({body})) {
    _faults.Arm(description);
  }
  return Done();
}

Response ControlService::Release(Request const& request) {
  if (request.Method != "POST") {
    return WrongMethod();
  }
  _faults.Release();
  return Done();
}

Response ControlService::Held(Request const& request) {
  auto const atLeast = static_cast<unsigned>(NumberOf(request, "at_least", 0));
  auto const timeout = std::chrono::milliseconds(NumberOf(request, "timeout_ms", 0));
  return JsonResponse(200, {{"held", _faults.WaitUntilHeld(atLeast, timeout)}});
}

Response ControlService::Apps(Request const& request) {
  if (request.Method != "POST") {
    return WrongMethod();
  }
  _world.People.AddApp(BodyOf(request));
  return Done();
}

Response ControlService::Challenge(Request const& request) {
  if (request.Method == "DELETE") {
    _world.Challenge.Disarm();
    return Done();
  }
  return request.Method == "POST" ? JsonResponse(200, {{"challenge", _world.Challenge.Arm()}}) : WrongMethod();
}

Response ControlService::CloseConnections(Request const& request) {
  if (request.Method != "POST") {
    return WrongMethod();
  }
  auto const service = BodyOf(request).value("service", "");
  // Never the connection this came in on.
  std::size_t closed = 0;
  for (char const* const name : {"sts", "vault", "attestation"}) {
    if (service.empty() || service == name) {
      closed += _connections.EndConnections(name);
    }
  }
  return JsonResponse(200, {{"closed", closed}});
}

Response ControlService::Clock(Request const& request) {
  if (request.Method == "POST") {
    AdvanceClock(std::chrono::seconds(BodyOf(request).at("advance_seconds").get<std::int64_t>()));
  }
  return JsonResponse(200, {{"now", Now()}});
}

Response ControlService::WireSecrets(Request const&) {
  if (!_world.Secrets.IsEnabled()) {
    return JsonResponse(404, {{"error", "start the emulator with --record-secrets"}});
  }
  json list = json::array();
  for (auto const& [kind, value] : _world.Secrets.All()) {
    list.push_back({{"kind", kind}, {"value", value}});
  }
  return JsonResponse(200, list);
}

Response ControlService::Startup(Request const&) { return JsonTextResponse(_startupLine); }

// Everything that the page shows, in one answer; of the log what is newer than the page has.
Response ControlService::Road(Request const& request) {
  constexpr std::size_t AtMost = 500;
  json certificates = json::array();
  for (auto const& issued : _world.Issued.Newest()) {
    certificates.push_back(
        {{"x5t_s256", issued.X5tS256}, {"client_id", issued.ClientId}, {"not_after", issued.NotAfter}});
  }
  json apps = json::array();
  for (auto const& app : _world.People.Apps()) {
    apps.push_back(
        {{"client_id", app->ClientId},
         {"tenant_id", app->TenantId},
         {"vault_access", app->VaultAccess},
         {"certificates", app->CertificatesX5tS256}});
  }
  auto const log = _log.NewestToJson(NumberOf(request, "since", 0), AtMost);
  auto const [first, last] = _log.Numbers();
  auto text = JsonText(
      {{"now", Now()},
       {"first", first},
       {"last", last},
       {"certificates", certificates},
       {"apps", apps},
       {"open_connections", _connections.OpenNumbers()},
       {"faults", _faults.Describe()},
       {"held", _faults.Held()}});
  text.pop_back();
  return JsonTextResponse(text + ",\"log\":" + log + "}");
}

}  // namespace mtlspop_emulator
