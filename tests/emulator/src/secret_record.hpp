// Every secret that went over the wire, kept only on request, so that a test can look for them in logs.
#pragma once

#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace mtlspop_emulator {

// Thread safe.
class SecretRecord {
 public:
  explicit SecretRecord(bool enabled) : _enabled(enabled) {}

  bool IsEnabled() const { return _enabled; }

  void Add(std::string kind, std::string value) {
    if (_enabled && !value.empty()) {
      std::lock_guard const lock(_mutex);
      _secrets.emplace_back(std::move(kind), std::move(value));
    }
  }

  std::vector<std::pair<std::string, std::string>> All() const {
    std::lock_guard const lock(_mutex);
    return _secrets;
  }

 private:
  bool const _enabled;
  mutable std::mutex _mutex;
  std::vector<std::pair<std::string, std::string>> _secrets;
};

}  // namespace mtlspop_emulator
