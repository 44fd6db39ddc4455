#include "gateway/served_origin.hpp"

#include <string>
#include <utility>
#include <vector>

#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/redact.hpp"

namespace mtlspop::gateway {
namespace {

[[noreturn]] void Refuse(std::string_view text) {
  throw Error{
      {errors::InvalidArgument, "\"" + Redact(text) + "\" is no origin for the gateway",
       "Write it as in \"/vault=https://myvault.vault.azure.net methods=GET,PUT\""}};
}

std::vector<std::string> PartsOf(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    auto const end = text.find(separator);
    if (end != 0) parts.emplace_back(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
  }
  return parts;
}

std::pair<std::string, std::string> TakenApart(std::string const& part, std::string_view text) {
  auto const equals = part.find('=');
  if (equals == std::string::npos || equals + 1 == part.size()) Refuse(text);
  return {part.substr(0, equals), part.substr(equals + 1)};
}

void Apply(ServedOrigin& origin, std::string const& name, std::string value, std::string_view text) {
  if (name == "methods") {
    origin.Methods = PartsOf(value, ',');
  } else if (name == "resource") {
    origin.Resource = std::move(value);
  } else if (name == "client-id") {
    origin.Identity = ManagedIdentityId::FromClientId(std::move(value));
  } else if (name == "object-id") {
    origin.Identity = ManagedIdentityId::FromObjectId(std::move(value));
  } else if (name == "resource-id") {
    origin.Identity = ManagedIdentityId::FromResourceId(std::move(value));
  } else {
    Refuse(text);
  }
}

}  // namespace

ServedOrigin ParseServedOrigin(std::string_view text) {
  auto const parts = PartsOf(text, ' ');
  if (parts.empty()) Refuse(text);
  auto const [where, to] = TakenApart(parts.front(), text);
  auto const slash = where.find('/');
  if (slash == std::string::npos) Refuse(text);
  ServedOrigin origin;
  origin.Host = where.substr(0, slash);
  origin.PathPrefix = where.substr(slash);
  origin.Origin = to;
  for (std::size_t index = 1; index < parts.size(); ++index) {
    auto [name, value] = TakenApart(parts[index], text);
    Apply(origin, name, std::move(value), text);
  }
  return origin;
}

}  // namespace mtlspop::gateway
