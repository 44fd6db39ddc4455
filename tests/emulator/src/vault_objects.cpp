#include "vault_objects.hpp"

#include <algorithm>

#include "clock.hpp"
#include "digest.hpp"
#include "encoding.hpp"

namespace mtlspop_emulator {

std::optional<VaultObject> VaultObjects::Store(std::string const& name, std::string content) {
  std::lock_guard const lock(_mutex);
  auto& entry = _entries[name];
  if (entry.Deleted != 0) {
    return std::nullopt;
  }
  entry.Versions.push_back({name, HexEncode(RandomBytes(16)), std::move(content), Now(), 0});
  return entry.Versions.back();
}

VaultObjects::Entry const* VaultObjects::Lookup(std::string const& name, bool deleted) const {
  auto const found = _entries.find(name);
  return found != _entries.end() && (found->second.Deleted != 0) == deleted ? &found->second : nullptr;
}

VaultObject VaultObjects::Newest(Entry const& entry) {
  auto object = entry.Versions.back();
  object.Deleted = entry.Deleted;
  return object;
}

std::optional<VaultObject> VaultObjects::Find(std::string const& name, std::string const& version) const {
  std::lock_guard const lock(_mutex);
  auto const* const entry = Lookup(name, false);
  if (entry == nullptr) {
    return std::nullopt;
  }
  auto const found = std::find_if(entry->Versions.rbegin(), entry->Versions.rend(), [&](VaultObject const& object) {
    return version.empty() || object.Version == version;
  });
  return found == entry->Versions.rend() ? std::nullopt : std::optional(*found);
}

std::optional<VaultObject> VaultObjects::FindDeleted(std::string const& name) const {
  std::lock_guard const lock(_mutex);
  auto const* const entry = Lookup(name, true);
  return entry == nullptr ? std::nullopt : std::optional(Newest(*entry));
}

std::optional<VaultObject> VaultObjects::Delete(std::string const& name) {
  std::lock_guard const lock(_mutex);
  if (Lookup(name, false) == nullptr) {
    return std::nullopt;
  }
  auto& entry = _entries[name];
  entry.Deleted = Now();
  return Newest(entry);
}

std::optional<VaultObject> VaultObjects::Recover(std::string const& name) {
  std::lock_guard const lock(_mutex);
  if (Lookup(name, true) == nullptr) {
    return std::nullopt;
  }
  auto& entry = _entries[name];
  entry.Deleted = 0;
  return Newest(entry);
}

bool VaultObjects::Purge(std::string const& name) {
  std::lock_guard const lock(_mutex);
  return Lookup(name, true) != nullptr && _entries.erase(name) > 0;
}

VaultPage VaultObjects::ListWhere(bool deleted, std::string const& after, std::size_t atMost) const {
  std::lock_guard const lock(_mutex);
  VaultPage page;
  auto it = after.empty() ? _entries.begin() : _entries.upper_bound(after);
  for (; it != _entries.end(); ++it) {
    if ((it->second.Deleted != 0) != deleted) {
      continue;
    }
    if (page.Objects.size() == atMost) {
      page.Next = page.Objects.back().Name;
      break;
    }
    page.Objects.push_back(Newest(it->second));
  }
  return page;
}

VaultPage VaultObjects::List(std::string const& after, std::size_t atMost) const {
  return ListWhere(false, after, atMost);
}

VaultPage VaultObjects::ListDeleted(std::string const& after, std::size_t atMost) const {
  return ListWhere(true, after, atMost);
}

VaultPage VaultObjects::ListVersions(std::string const& name, std::string const& after, std::size_t atMost) const {
  std::lock_guard const lock(_mutex);
  VaultPage page;
  auto const* const entry = Lookup(name, false);
  if (entry == nullptr) {
    return page;
  }
  auto const& versions = entry->Versions;
  auto it = std::find_if(
      versions.begin(), versions.end(), [&](VaultObject const& object) { return object.Version == after; });
  it = it == versions.end() ? versions.begin() : it + 1;
  for (; it != versions.end(); ++it) {
    if (page.Objects.size() == atMost) {
      page.Next = page.Objects.back().Version;
      break;
    }
    page.Objects.push_back(*it);
  }
  return page;
}

}  // namespace mtlspop_emulator
