// The store of a process's own memory.
#include <chrono>
#include <future>
#include <thread>

#include <gtest/gtest.h>

#include "mtlspop/credential/binding_store.hpp"

namespace mtlspop::test {
namespace {

using namespace std::chrono_literals;

TEST(MemoryStore, LockIsHandedToWhoeverWaitsForThatName) {
  auto const store = MakeMemoryBindingStore();
  auto held = store->Acquire("name", {});
  EXPECT_TRUE(store->Acquire("another", {}));
  auto const waiting = [&] {
    return std::async(std::launch::async, [&] { return store->Acquire("name", {}) != nullptr; });
  };
  auto first = waiting();
  auto second = waiting();
  EXPECT_EQ(first.wait_for(10ms), std::future_status::timeout);
  held.reset();
  EXPECT_TRUE(first.get());
  EXPECT_TRUE(second.get());
}

/// At once, not when it looks the next time.
TEST(MemoryStore, WhoeverIsCancelledGoesWithoutTheLock) {
  auto const store = MakeMemoryBindingStore();
  auto const held = store->Acquire("name", {});
  auto const context = Context{}.WithCancellation();
  auto waiting = std::async(std::launch::async, [&] { return store->Acquire("name", context) != nullptr; });
  context.Cancel();
  EXPECT_FALSE(waiting.get());
  EXPECT_FALSE(store->Acquire("name", Context{}.WithTimeout(1ms)));
}

}  // namespace
}  // namespace mtlspop::test
