#include "fault_effects.hpp"

#include <nlohmann/json.hpp>

#include "entra_error.hpp"
#include "faults.hpp"

namespace mtlspop_emulator {
namespace {

void EditJson(Fault const& fault, Response& response) {
  auto body = ParseJsonObject(response.Body);
  if (!body) {
    return;
  }
  if (!fault.MissingField.empty()) {
    auto const dot = fault.MissingField.find('.');
    auto const outer = fault.MissingField.substr(0, dot);
    if (dot == std::string::npos) {
      body->erase(outer);
    } else if (body->contains(outer) && (*body)[outer].is_object()) {
      (*body)[outer].erase(fault.MissingField.substr(dot + 1));
    }
  }
  if (fault.TokenType) {
    (*body)["token_type"] = *fault.TokenType;
  }
  for (auto const& [name, value] : fault.Set) {
    (*body)[name] = nlohmann::json::parse(value);
  }
  response.Body = JsonText(*body);
}

}  // namespace

bool ReplacesResponse(Fault const& fault) { return fault.Status.has_value() || !fault.Aadsts.empty(); }

Response ReplacementFor(Fault const& fault) {
  Response response;
  if (!fault.Aadsts.empty()) {
    response = EntraErrorByCode(fault.Aadsts);
    response.Status = fault.Status.value_or(response.Status);
    return response;
  }
  response.Status = *fault.Status;
  response.Body = fault.Body;
  bool const json = ParseJsonObject(fault.Body).has_value();
  response.Set("Content-Type", json ? "application/json; charset=utf-8" : "text/plain");
  return response;
}

void Spoil(Fault const& fault, Response& response) {
  if (!fault.MissingField.empty() || fault.TokenType || !fault.Set.empty()) {
    EditJson(fault, response);
  }
  if (fault.MalformedJson) {
    response.Body = response.Body.substr(0, response.Body.size() / 2) + "\x01";
  }
  if (fault.ServerHeader) {
    response.Set("Server", *fault.ServerHeader);
  }
  for (auto const& header : fault.Headers) {
    response.Set(header.Name, header.Value);
  }
}

}  // namespace mtlspop_emulator
