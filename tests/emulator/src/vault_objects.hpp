// The secrets of a vault, or its keys: versions, soft deletion, and listing page by page.
#pragma once

#include <cstddef>
#include <ctime>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace mtlspop_emulator {

// One version of a secret or of a key.
struct VaultObject {
  std::string Name;
  std::string Version;
  std::string Content;  // The secret's value, or the key's JSON web key.
  std::time_t Created = 0;
  std::time_t Deleted = 0;  // 0 where it is not.
};

struct VaultPage {
  std::vector<VaultObject> Objects;
  std::string Next;  // Where the next page begins; empty on the last one.
};

// Thread safe.
class VaultObjects {
 public:
  // A new version. Nothing where an object of that name is deleted and could still be recovered.
  std::optional<VaultObject> Store(std::string const& name, std::string content);
  // The newest where `version` is empty.
  std::optional<VaultObject> Find(std::string const& name, std::string const& version) const;
  std::optional<VaultObject> FindDeleted(std::string const& name) const;

  // The newest version of what was deleted, or recovered.
  std::optional<VaultObject> Delete(std::string const& name);
  std::optional<VaultObject> Recover(std::string const& name);
  bool Purge(std::string const& name);

  // The newest version of each, in the order of the names, after the one that a page before ended with.
  VaultPage List(std::string const& after, std::size_t atMost) const;
  VaultPage ListDeleted(std::string const& after, std::size_t atMost) const;
  // The versions of one, oldest first.
  VaultPage ListVersions(std::string const& name, std::string const& after, std::size_t atMost) const;

 private:
  struct Entry {
    std::vector<VaultObject> Versions;
    std::time_t Deleted = 0;
  };

  static VaultObject Newest(Entry const& entry);
  VaultPage ListWhere(bool deleted, std::string const& after, std::size_t atMost) const;
  Entry const* Lookup(std::string const& name, bool deleted) const;

  mutable std::mutex _mutex;
  std::map<std::string, Entry> _entries;
};

}  // namespace mtlspop_emulator
