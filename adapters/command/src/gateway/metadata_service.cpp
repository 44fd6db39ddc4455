#include "gateway/metadata_service.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "gateway/answer_head.hpp"
#include "gateway/query.hpp"
#include "gateway/token_answer.hpp"
#include "mtlspop/transport/redact.hpp"

namespace mtlspop::gateway {
namespace {

// As the service words its failures, which SDKs show.
std::unique_ptr<Response> AnswerInItsWords(Failure const& failure) {
  nlohmann::json const body{{"error", failure.Code}, {"error_description", failure.What + ". " + failure.Action + "."}};
  return TextAnswer(
      failure.Status, FieldsOf(failure), body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

Failure InvalidRequest(std::string what, std::string action) {
  return {400, "invalid_request", std::move(what), std::move(action)};
}

std::optional<Failure> RefusalOfCaller(RequestHead const& head, std::string const& port) {
  if (head.Host != "127.0.0.1:" + port && !EqualsIgnoreCase(head.Host, "localhost:" + port)) {
    return Failure{
        403, "host_mismatch",
        "The request's Host is another than that of the gateway's stand-in of the metadata service",
        "Call it by the address in AZURE_POD_IDENTITY_AUTHORITY_HOST"};
  }
  if (head.Fields.Contains("Origin")) {
    return Failure{
        403, "browser_refused", "The request comes from a web page",
        "No web page may ask for what a program's identity may do; see what page it was"};
  }
  if (head.Method != "GET" || head.HasBody()) {
    return Failure{405, "method_not_allowed", "The metadata service takes GET without a body", "Send GET"};
  }
  return std::nullopt;
}

// The names of the identities' parameters, and of the rest.
bool IsKnown(std::string_view name) noexcept {
  for (auto const* const known :
       {"api-version", "resource", "client_id", "object_id", "msi_res_id", "mi_res_id", "bypass_cache"}) {
    if (name == known) return true;
  }
  return false;
}

ManagedIdentityId IdentityIn(std::map<std::string, std::string> const& parameters) {
  if (auto const found = parameters.find("client_id"); found != parameters.end()) {
    return ManagedIdentityId::FromClientId(found->second);
  }
  if (auto const found = parameters.find("object_id"); found != parameters.end()) {
    return ManagedIdentityId::FromObjectId(found->second);
  }
  for (auto const* const name : {"msi_res_id", "mi_res_id"}) {
    auto const found = parameters.find(name);
    if (found != parameters.end()) return ManagedIdentityId::FromResourceId(found->second);
  }
  return {};
}

bool NamesTwoIdentities(std::map<std::string, std::string> const& parameters) {
  std::size_t count = 0;
  for (auto const* const name : {"client_id", "object_id", "msi_res_id", "mi_res_id"}) count += parameters.count(name);
  return count > 1;
}

struct Asked {
  std::optional<Failure> Refusal;
  HandleGrant Grant;
  // Of the resource as it was written: its slash at the end is part of what some services compare.
  std::string Scope{};
};

std::string ScopeOf(std::string const& resource) {
  constexpr std::string_view suffix = "/.default";
  bool const isScope =
      resource.size() > suffix.size() && std::string_view{resource}.substr(resource.size() - suffix.size()) == suffix;
  return isScope ? resource : resource + std::string{suffix};
}

Asked WhatIsAsked(RequestHead const& head) {
  auto const query = ParseQuery(head.Target);
  std::map<std::string, std::string> parameters;
  bool isClean = query.has_value();
  for (std::size_t at = 0; isClean && at < query->size(); ++at) {
    isClean = !IsKnown((*query)[at].first) || parameters.insert((*query)[at]).second;
  }
  if (!isClean || NamesTwoIdentities(parameters)) {
    return {
        InvalidRequest("The query has a parameter twice, two identities, or a broken escape", "Name each once"), {}};
  }
  if (parameters["api-version"] != "2018-02-01") {
    return {InvalidRequest("The query's api-version is not 2018-02-01", "Add api-version=2018-02-01"), {}};
  }
  auto resource = NormalResource(parameters["resource"]);
  if (resource.empty()) {
    return {InvalidRequest("The query has no resource", "Add one, for example resource=https://vault.azure.net"), {}};
  }
  return {std::nullopt, {std::move(resource), IdentityIn(parameters)}, ScopeOf(parameters["resource"])};
}

Failure NotOnTheList(std::string const& resource) {
  return {
      400, "resource_not_on_the_list", "The gateway answers for no host that takes tokens for " + Redact(resource),
      "Put the resource's host on the list with --host, or have the program hold a bearer token with "
      "--bearer-for-others"};
}

Failure ByAnotherName(std::string const& resource) {
  return {
      400, "resource_by_another_name",
      Redact(resource) +
          " may be another name of a resource on the gateway's list, whose tokens the program does not hold",
      "Have the program ask by the resource's own URL, for example https://vault.azure.net; for an API of your own "
      "by its application ID URI, api://..."};
}

// What passes is worth another try, which SDKs make after 503; what does not is said once.
Failure TokenFailure(std::exception_ptr const& cause) {
  try {
    std::rethrow_exception(cause);
  } catch (Error const& error) {
    auto failure = FailureFrom(error);
    failure.Status = error.Details().Transient ? 503 : 400;
    return failure;
  } catch (std::exception const&) {
    return {500, "gateway_failure", "The gateway ran out of memory or threads", "See the load of this machine"};
  }
}

}  // namespace

MetadataService::MetadataService(
    std::shared_ptr<Termination const> shared, std::uint16_t port, CredentialChoice bearerForOthers)
    : shared_(std::move(shared)), port_(std::to_string(port)), bearerForOthers_(std::move(bearerForOthers)) {}

void MetadataService::Handle(std::shared_ptr<Exchange> exchange) {
  auto const& head = exchange->Head();
  if (auto const refusal = RefusalOfCaller(head, port_)) return exchange->Answer(AnswerInItsWords(*refusal));
  auto path = std::string_view{head.Target}.substr(0, head.Target.find('?'));
  if (!path.empty() && path.back() == '/') path.remove_suffix(1);
  if (path != "/metadata/identity/oauth2/token") {
    return exchange->Answer(AnswerInItsWords(
        {404, "not_found", "The gateway's stand-in of the metadata service gives handles for tokens and nothing else",
         "Ask for /metadata/identity/oauth2/token"}));
  }
  auto const wanted = head.Fields.GetAll("Metadata");
  if (wanted.size() != 1 || !EqualsIgnoreCase(wanted.front(), "true")) {
    return exchange->Answer(
        AnswerInItsWords(InvalidRequest("Required metadata header not specified", "Send the header Metadata: true")));
  }
  try {
    auto asked = WhatIsAsked(head);
    bool const isListed = shared_->Rules.HasResource(asked.Grant.Resource);
    if (!asked.Refusal && !isListed) asked.Refusal = RefusalOfUnlisted(asked.Grant.Resource);
    if (asked.Refusal) return exchange->Answer(AnswerInItsWords(*asked.Refusal));
    if (!isListed) return GiveBearer(exchange, asked.Grant, std::move(asked.Scope));
    GiveHandle(exchange, std::move(asked.Grant));
  } catch (std::exception const&) {
    exchange->Answer(AnswerInItsWords(TokenFailure(std::current_exception())));
  }
}

// That there are bearer tokens for others is no way around the list.
std::optional<Failure> MetadataService::RefusalOfUnlisted(std::string const& resource) const {
  if (!bearerForOthers_) return NotOnTheList(resource);
  if (shared_->Rules.MayHaveByAnotherName(resource)) return ByAnotherName(resource);
  return std::nullopt;
}

void MetadataService::GiveHandle(std::shared_ptr<Exchange> const& exchange, HandleGrant grant) {
  auto const& patience = exchange->Patience();
  shared_->Road->GetToken(grant, patience, [shared = shared_, exchange, grant](Outcome<AccessToken> outcome) {
    if (!outcome.HasValue()) return exchange->Answer(AnswerInItsWords(TokenFailure(outcome.Failure())));
    try {
      auto const now = shared->Time->Now();
      auto const issued = shared->Known->Issue(grant, now);
      if (issued) return exchange->Answer(TokenAnswer(issued->Handle, issued->ExpiresOn, grant, now));
      exchange->Answer(AnswerInItsWords(
          {429, "too_many_handles", "The program has asked for handles for too many resources", "See why it does"}));
    } catch (std::exception const&) {
      exchange->Answer(AnswerInItsWords(TokenFailure(std::current_exception())));
    }
  });
}

void MetadataService::GiveBearer(
    std::shared_ptr<Exchange> const& exchange, HandleGrant const& grant, std::string scope) {
  auto const credential = bearerForOthers_(grant.Identity);
  TokenRequest wanted;
  wanted.Scopes = {std::move(scope)};
  auto const& patience = exchange->Patience();
  credential->GetTokenAsync(
      wanted, patience, [shared = shared_, credential, exchange, grant](Outcome<AccessToken> outcome) {
        if (!outcome.HasValue()) return exchange->Answer(AnswerInItsWords(TokenFailure(outcome.Failure())));
        try {
          auto const token = std::move(outcome).Take();
          exchange->Answer(TokenAnswer(token.Token, token.ExpiresOn, grant, shared->Time->Now()));
        } catch (std::exception const&) {
          exchange->Answer(AnswerInItsWords(TokenFailure(std::current_exception())));
        }
      });
}

}  // namespace mtlspop::gateway
