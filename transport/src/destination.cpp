#include "destination.hpp"

#include <algorithm>

namespace mtlspop {

namespace {

bool HasPort(std::string_view text) noexcept {
  auto const colon = text.rfind(':');
  return colon != std::string_view::npos && colon + 1 < text.size() && text.find(']', colon) == std::string_view::npos;
}

}  // namespace

DestinationTable::Place DestinationTable::ParsePlace(std::string_view text, char const* option) {
  try {
    auto const url = Url::Parse("https://" + std::string{text});
    auto const& origin = url.GetOrigin();
    if (text.find_first_of("/?#") == std::string_view::npos && HasPort(text)) {
      return {origin.Host, origin.Port};
    }
  } catch (Error const& error) {
    throw Error{ErrorDetails{
        errors::InvalidArgument, std::string{option} + " cannot be used: " + error.Details().What,
        "Give host:port, an IPv6 address in brackets"}};
  }
  throw Error{ErrorDetails{
      errors::InvalidArgument, std::string{option} + " cannot be used: it is not host:port",
      "Give host:port, an IPv6 address in brackets"}};
}

DestinationTable::DestinationTable(TransportOptions const& options) : minimumVersion_(options.Tls.MinimumVersion) {
  for (auto const& entry : options.ConnectOverrides) {
    std::string_view from{entry.From};
    bool const below = from.substr(0, 2) == "*.";
    overrides_.push_back(
        {ParsePlace(from.substr(below ? 2 : 0), "ConnectOverride::From"), below,
         ParsePlace(entry.To, "ConnectOverride::To")});
  }
  for (auto const& entry : options.Tls.Origins) {
    auto const origin = Url::Parse(entry.Origin).GetOrigin();
    if (!origin.IsHttps()) {
      throw Error{ErrorDetails{
          errors::InvalidArgument, "OriginTlsOptions::Origin cannot be used: " + origin.ToString() + " is not https",
          "Give https://host or https://host:port"}};
    }
    boundVersions_.emplace_back(origin, entry.MaximumBoundVersion);
  }
}

DestinationTable::Override const* DestinationTable::OverrideFor(Origin const& origin) const noexcept {
  auto const found = std::find_if(overrides_.begin(), overrides_.end(), [&](Override const& entry) {
    auto const& from = entry.From.Host;
    if (entry.From.Port != origin.Port) {
      return false;
    }
    if (!entry.Below) {
      return origin.Host == from;
    }
    auto const size = origin.Host.size();
    return size > from.size() + 1 && origin.Host[size - from.size() - 1] == '.' &&
           origin.Host.compare(size - from.size(), from.size(), from) == 0;
  });
  return found == overrides_.end() ? nullptr : &*found;
}

Destination DestinationTable::For(Origin const& origin, bool isBound) const {
  auto const* const entry = OverrideFor(origin);
  Destination destination{
      entry != nullptr ? entry->To.Host : origin.Host, entry != nullptr ? entry->To.Port : origin.Port,
      entry != nullptr};
  if (isBound) {
    auto const found = std::find_if(
        boundVersions_.begin(), boundVersions_.end(), [&](auto const& bound) { return bound.first == origin; });
    destination.MaximumVersion =
        std::max(found == boundVersions_.end() ? TlsVersion::Tls12 : found->second, minimumVersion_);
  }
  return destination;
}

}  // namespace mtlspop
