#pragma once

/// @file
/// Names that only these tests know. This program has a `getaddrinfo` of its own in front of the system's, since no file or
/// variable makes the system's answer late or with two families on loopback.

#include <memory>
#include <string>
#include <vector>

#include "support/event.hpp"

namespace mtlspop::test {

/// Makes a name known for the length of a test.
class FakeName final {
 public:
  /// @param addresses literal ones, in the order in which the resolver gives them; none for "no such name".
  FakeName(std::string name, std::vector<std::string> addresses);
  ~FakeName();
  FakeName(FakeName const&) = delete;
  FakeName& operator=(FakeName const&) = delete;

  /// From now on an answer waits until this object is destroyed.
  void HoldAnswers();
  /// Happens when somebody asks.
  Event const& Asked() const noexcept;

 private:
  std::string name_;
};

}  // namespace mtlspop::test
