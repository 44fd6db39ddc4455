#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "support/in_child.hpp"
#include "token_handles.hpp"

namespace mtlspop::azure {
namespace {

using test::InChild;

TokenRequest RequestFor(std::string tenant) {
  TokenRequest request;
  request.TenantId = std::move(tenant);
  return request;
}

/// Azure's pipelines hold their handles across a fork.
TEST(AttackForkTest, AChildKnowsItsParentsHandles) {
  TokenHandles handles;
  auto const handle = handles.For(RequestFor("a"));
  EXPECT_TRUE(InChild([&] { return handles.Find(handle) && handles.For(RequestFor("a")) == handle; }));
}

/// A lock that another thread held as the process forked is never released in the child.
TEST(AttackForkTest, AChildMakesHandlesThoughItsParentMadeOneJustThen) {
  TokenHandles handles;
  std::atomic<bool> stop{false};
  std::thread busy{[&] {
    for (int number = 0; !stop; ++number) handles.For(RequestFor(std::to_string(number)));
  }};
  bool good = true;
  for (int round = 0; good && round < 200; ++round) {
    good = InChild([&] {
      ::alarm(20);
      auto const handle = handles.For(RequestFor("child"));
      return handles.Find(handle) != nullptr;
    });
  }
  stop = true;
  busy.join();
  EXPECT_TRUE(good);
}

}  // namespace
}  // namespace mtlspop::azure
