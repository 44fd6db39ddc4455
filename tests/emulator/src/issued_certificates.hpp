// The binding certificates that IMDS gave out, so that one can see whose is whose.
#pragma once

#include <cstddef>
#include <ctime>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

namespace mtlspop_emulator {

struct IssuedCertificate {
  std::string X5tS256;
  std::string ClientId;
  std::time_t NotAfter = 0;
};

// Thread safe. Keeps the newest only, so that a long run stays in memory.
class IssuedCertificates {
 public:
  void Add(IssuedCertificate certificate) {
    std::lock_guard const lock(_mutex);
    if (_newest.size() == Kept) {
      _newest.pop_front();
    }
    _newest.push_back(std::move(certificate));
  }

  // Oldest first.
  std::vector<IssuedCertificate> Newest() const {
    std::lock_guard const lock(_mutex);
    return {_newest.begin(), _newest.end()};
  }

 private:
  static constexpr std::size_t Kept = 200;

  mutable std::mutex _mutex;
  std::deque<IssuedCertificate> _newest;
};

}  // namespace mtlspop_emulator
