#include "gateway/host_rules.hpp"

#include <algorithm>
#include <charconv>

#include "azure_hosts.hpp"
#include "mtlspop/transport/error.hpp"

namespace mtlspop::gateway {
namespace {

constexpr std::size_t LongestName = 253;
constexpr std::size_t LongestLabel = 63;
constexpr std::size_t LongestResource = 1024;

char ToLower(char letter) noexcept { return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter + 32) : letter; }
bool IsDigit(char letter) noexcept { return letter >= '0' && letter <= '9'; }

bool IsNameCharacter(char letter) noexcept {
  return (letter >= 'a' && letter <= 'z') || IsDigit(letter) || letter == '-' || letter == '_';
}

bool IsLabel(std::string_view label) noexcept {
  return !label.empty() && label.size() <= LongestLabel && label.front() != '-' && label.back() != '-' &&
         std::all_of(label.begin(), label.end(), IsNameCharacter);
}

/// What stands for a host in `resource`, as `NormalHost` gives it where it is a name; "" where it is no URL.
std::string HostOf(std::string_view resource) {
  auto const scheme = resource.find("://");
  if (scheme == std::string_view::npos) return {};
  auto const authority = resource.substr(scheme + 3, resource.find('/', scheme + 3) - (scheme + 3));
  auto const host = authority.substr(0, authority.find(':'));
  auto const name = NormalHost(host);
  return name.empty() ? std::string{host} : name;
}

bool EndsWith(std::string_view text, std::string_view end) noexcept {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

std::string_view WithoutSlashesAtEnd(std::string_view text) noexcept {
  while (!text.empty() && text.back() == '/') text.remove_suffix(1);
  return text;
}

[[noreturn]] void Refuse(std::string_view text, char const* why) {
  throw Error{
      {errors::InvalidArgument, "\"" + std::string{text} + "\" names no host for the gateway: " + why,
       "Write a name as in myvault.vault.azure.net, myhost.example:8443=https://resource.example or "
       "*.vault.azure.net=https://vault.azure.net"}};
}

// "name:port" taken apart; the port stays as it is where there is none.
std::string_view TakePort(std::string_view host, std::uint16_t& port, std::string_view text) {
  auto const colon = host.rfind(':');
  if (colon == std::string_view::npos) return host;
  auto const digits = host.substr(colon + 1);
  auto const [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (problem != std::errc{} || end != digits.data() + digits.size() || port == 0) Refuse(text, "its port is none");
  return host.substr(0, colon);
}

// Management takes tokens for its older name too, which SDKs of some languages ask for.
std::string OtherNameOf(std::string const& resource) {
  if (resource == "https://management.azure.com") return "https://management.core.windows.net";
  if (resource == "https://management.usgovcloudapi.net") return "https://management.core.usgovcloudapi.net";
  if (resource == "https://management.chinacloudapi.cn") return "https://management.core.chinacloudapi.cn";
  return {};
}

bool IsWildcard(HostRule const& rule) noexcept { return rule.Pattern.compare(0, 2, "*.") == 0; }

// Of two rules for one host: a name is closer than all names below one, and a longer one than a shorter.
bool IsCloser(HostRule const& rule, HostRule const& other) noexcept {
  if (IsWildcard(rule) != IsWildcard(other)) return IsWildcard(other);
  return rule.Pattern.size() > other.Pattern.size();
}

void AddOnce(std::string const& text, std::vector<std::string>& texts) {
  if (std::find(texts.begin(), texts.end(), text) == texts.end()) texts.push_back(text);
}

}  // namespace

HostRule HostRule::Parse(std::string_view text) {
  auto const equals = text.find('=');
  auto host = text.substr(0, equals);
  HostRule rule;
  host = TakePort(host, rule.Port, text);
  if (host.substr(0, 2) == "*.") host.remove_prefix(1);
  bool const isWildcard = !host.empty() && host.front() == '.';
  auto const name = NormalHost(isWildcard ? host.substr(1) : host);
  if (name.empty()) Refuse(text, "it is an address, or no name");
  if (isWildcard && name.find('.') == std::string::npos) Refuse(text, "it stands for all of a top-level domain");
  rule.Pattern = (isWildcard ? "*." : "") + name;

  auto resource = "https://" + name;
  if (rule.Port != 443) resource += ":" + std::to_string(rule.Port);
  if (equals != std::string_view::npos) {
    resource = NormalResource(text.substr(equals + 1));
  } else if (isWildcard) {
    Refuse(text, "a resource is missing, whose tokens all these names take");
  }
  if (resource.empty()) Refuse(text, "its resource is none");
  rule.Resources.push_back(std::move(resource));
  return rule;
}

bool HostRule::Matches(std::string_view host, std::uint16_t port) const noexcept {
  if (port != Port) return false;
  if (!IsWildcard(*this)) return host == Pattern;
  auto const end = std::string_view{Pattern}.substr(1);
  return host.size() > end.size() && EndsWith(host, end);
}

std::vector<HostRule> AzureHostRules() {
  std::vector<HostRule> rules;
  for (auto const& known : command::KnownAzureHosts()) {
    auto const resource = NormalResource(known.Scope);
    HostRule rule{(known.Host.front() == '.' ? "*" : "") + std::string{known.Host}, 443, {resource}, known.IsUsual};
    if (auto other = OtherNameOf(resource); !other.empty()) rule.Resources.push_back(std::move(other));
    rules.push_back(std::move(rule));
  }
  return rules;
}

HostRules::HostRules(std::vector<HostRule> const& rules) {
  for (auto const& rule : rules) {
    auto const same = std::find_if(rules_.begin(), rules_.end(), [&](HostRule const& known) {
      return known.Pattern == rule.Pattern && known.Port == rule.Port;
    });
    if (same == rules_.end()) {
      rules_.push_back(rule);
      continue;
    }
    for (auto const& resource : rule.Resources) AddOnce(resource, same->Resources);
    same->IsUsual = same->IsUsual || rule.IsUsual;
  }
}

HostRule const* HostRules::Find(std::string_view host, std::uint16_t port) const noexcept {
  HostRule const* closest = nullptr;
  for (auto const& rule : rules_) {
    if (rule.Matches(host, port) && (closest == nullptr || IsCloser(rule, *closest))) closest = &rule;
  }
  return closest;
}

bool HostRules::HasResource(std::string_view resource) const {
  return std::any_of(rules_.begin(), rules_.end(), [&](auto const& rule) {
    bool const isItsOwn = std::find(rule.Resources.begin(), rule.Resources.end(), resource) != rule.Resources.end();
    if (isItsOwn && rule.IsUsual) return true;
    constexpr std::string_view scheme = "https://";
    if (resource.substr(0, scheme.size()) != scheme) return false;
    auto const host = resource.substr(scheme.size());
    return NormalHost(host) == host && rule.Matches(host, 443);
  });
}

bool HostRules::MayHaveByAnotherName(std::string_view resource) const {
  auto const host = HostOf(resource);
  if (host.empty()) return true;
  return std::any_of(rules_.begin(), rules_.end(), [&](auto const& rule) {
    if (rule.Matches(host, rule.Port)) return true;
    return rule.IsUsual && std::any_of(rule.Resources.begin(), rule.Resources.end(), [&](auto const& known) {
             return HostOf(known) == host;
           });
  });
}

bool HostRules::Takes(HostRule const& rule, std::string_view host, std::string_view resource) const {
  if (std::find(rule.Resources.begin(), rule.Resources.end(), resource) != rule.Resources.end()) return true;
  return rule.Port == 443 && resource == "https://" + std::string{host};
}

std::vector<std::string> HostRules::PermittedNames() const {
  std::vector<std::string> names;
  for (auto const& rule : rules_) {
    AddOnce(IsWildcard(rule) ? rule.Pattern.substr(2) : rule.Pattern, names);
  }
  return names;
}

std::string NormalHost(std::string_view host) {
  if (!host.empty() && host.back() == '.') host.remove_suffix(1);
  if (host.empty() || host.size() > LongestName) return {};
  std::string name{host};
  std::transform(name.begin(), name.end(), name.begin(), ToLower);
  std::string_view rest{name};
  std::string_view label;
  for (;;) {
    auto const dot = rest.find('.');
    label = rest.substr(0, dot);
    if (!IsLabel(label)) return {};
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  // A last label of digits is an address, in whatever spelling resolvers take (WHATWG URL section 3.5).
  bool const isNumber = std::all_of(label.begin(), label.end(), IsDigit) || label.substr(0, 2) == "0x";
  return isNumber ? std::string{} : name;
}

bool IsAuthority(std::string_view text, std::string_view host, std::uint16_t port) {
  auto const end = ":" + std::to_string(port);
  if (EndsWith(text, end)) {
    text.remove_suffix(end.size());
  } else if (port != 443) {
    return false;
  }
  return NormalHost(text) == host;
}

std::string NormalResource(std::string_view resource) {
  constexpr std::string_view suffix = "/.default";
  resource = WithoutSlashesAtEnd(resource);
  if (EndsWith(resource, suffix)) resource = WithoutSlashesAtEnd(resource.substr(0, resource.size() - suffix.size()));
  bool const isPlain = std::all_of(resource.begin(), resource.end(), [](char letter) {
    return letter > ' ' && letter < '\x7f' && std::string_view{"#?%\\\"<>@"}.find(letter) == std::string_view::npos;
  });
  if (resource.empty() || resource.size() > LongestResource || !isPlain) return {};
  std::string text{resource};
  auto const scheme = text.find("://");
  auto const path = scheme == std::string::npos ? 0 : text.find('/', scheme + 3);
  std::transform(
      text.begin(), path == std::string::npos ? text.end() : text.begin() + static_cast<std::ptrdiff_t>(path),
      text.begin(), ToLower);
  return text;
}

}  // namespace mtlspop::gateway
