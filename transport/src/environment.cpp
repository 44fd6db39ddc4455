#include "mtlspop/transport/environment.hpp"

#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mtlspop/base/environment_variable.hpp"
#include "mtlspop/base/per_process.hpp"
#include "mtlspop/transport/redact.hpp"

namespace mtlspop {
namespace {

constexpr char const* CaFileVariable = "MTLSPOP_CA_FILE";
constexpr char const* OverridesVariable = "MTLSPOP_CONNECT_OVERRIDES";

std::string_view Environment(char const* name) noexcept {
  char const* const value = ReadEnvironmentVariable(name);
  return value == nullptr ? std::string_view{} : std::string_view{value};
}

ConnectOverride ParseOverride(std::string_view text) {
  auto const equals = text.find('=');
  auto const isPlace = [](std::string_view place) {
    auto const colon = place.rfind(':');
    return colon != std::string_view::npos && colon != 0 && colon + 1 != place.size();
  };
  if (equals == std::string_view::npos || !isPlace(text.substr(0, equals)) || !isPlace(text.substr(equals + 1))) {
    throw Error{ErrorDetails{
        errors::InvalidArgument,
        "the environment variable MTLSPOP_CONNECT_OVERRIDES has an entry that is not host:port=host:port: \"" +
            Redact(text) + "\"",
        "Correct the variable, for example \"vault.example:443=127.0.0.1:8443\", or unset it"}};
  }
  return ConnectOverride{std::string{text.substr(0, equals)}, std::string{text.substr(equals + 1)}};
}

std::vector<ConnectOverride> ParseOverrides(std::string_view list) {
  std::vector<ConnectOverride> overrides;
  while (!list.empty()) {
    auto const comma = list.find(',');
    auto const entry = list.substr(0, comma);
    if (!entry.empty()) {
      overrides.push_back(ParseOverride(entry));
    }
    list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
  }
  return overrides;
}

struct SharedTransport {
  /// A child of fork() shares its parent's, which has connections of its own there.
  explicit SharedTransport(SharedTransport* parents) {
    if (parents == nullptr) return;
    std::unique_lock<std::mutex> const lock{parents->Mutex, std::try_to_lock};
    if (lock) Current = parents->Current;
  }

  std::mutex Mutex;
  std::weak_ptr<HttpTransport> Current;
};

bool SaysNothing(TrustOptions const& trust) noexcept {
  return !trust.UseSystemStore.has_value() && trust.CaFile.empty() && trust.CaPem.empty();
}

}  // namespace

TransportOptions TransportOptionsFromEnvironment(TransportOptions options) {
  if (SaysNothing(options.Tls.Trust)) {
    options.Tls.Trust.CaFile = Environment(CaFileVariable);
  }
  for (auto& entry : ParseOverrides(Environment(OverridesVariable))) {
    options.ConnectOverrides.push_back(std::move(entry));
  }
  return options;
}

gsl::not_null<std::shared_ptr<HttpTransport>> DefaultHttpTransport() {
  // Never destroyed: clients of static duration may be made at the very end.
  static auto& shared = *new PerProcess<SharedTransport>;
  auto& state = shared.Get();
  std::lock_guard<std::mutex> const lock{state.Mutex};
  auto transport = state.Current.lock();
  if (!transport) {
    transport = MakeHttpTransport(TransportOptionsFromEnvironment());
    state.Current = transport;
  }
  return gsl::not_null<std::shared_ptr<HttpTransport>>{std::move(transport)};
}

}  // namespace mtlspop
