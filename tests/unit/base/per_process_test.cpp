#include "mtlspop/base/per_process.hpp"

#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mutex>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/in_child.hpp"

namespace mtlspop::test {
namespace {

int abandoned = 0;

struct Held {
  explicit Held(Held* parents) : Value(parents == nullptr ? 1 : parents->Value + 1) {}
  void Abandon() noexcept { ++abandoned; }
  int Value;
  std::mutex Mutex;
};

TEST(ForkEpoch, CountsForks) {
  auto const here = ForkEpoch();
  EXPECT_EQ(ForkEpoch(), here);
  EXPECT_TRUE(InChild([here] {
    auto const child = ForkEpoch();
    return child != here && InChild([&] { return ForkEpoch() != here && ForkEpoch() != child; });
  }));
  EXPECT_EQ(ForkEpoch(), here);
}

TEST(PerProcess, IsMadeAnewInAChild) {
  PerProcess<Held> held;
  auto const parents = &held.Get();
  EXPECT_EQ(held.Find(), parents);
  std::lock_guard const lock{parents->Mutex};
  EXPECT_TRUE(InChild([&] {
    if (held.Find() != nullptr || abandoned != 0) return false;
    auto& childs = held.Get();
    std::lock_guard const own{childs.Mutex};
    return &childs != parents && childs.Value == 2 && abandoned == 1 && held.Find() == &childs;
  }));
  EXPECT_EQ(held.Get().Value, 1);
}

TEST(PerProcess, OfAParentIsAbandonedNotDestroyed) {
  auto held = std::make_unique<PerProcess<Held>>();
  std::lock_guard const lock{held->Get().Mutex};
  EXPECT_TRUE(InChild([&] {
    held.reset();
    return abandoned == 1;
  }));
  EXPECT_EQ(abandoned, 0);
}

struct Seeded {
  Seeded(Seeded*, std::string const& seed) : Text(seed + "!") {}
  std::string Text;
};

TEST(PerProcess, KeepsItsSeedsForChildren) {
  PerProcess<Seeded, std::string> held{"seed"};
  EXPECT_EQ(held.Get().Text, "seed!");
  EXPECT_TRUE(InChild([&] { return held.Get().Text == "seed!"; }));
}

/// In process id namespaces of their own, a parent and its child are both number 1.
TEST(AttackForkTest, AChildWithItsParentsProcessIdHasAStateOfItsOwn) {
  PerProcess<Held> held;
  held.Get();
  auto const inNamespace = [](auto const& work) {
    // The first child of whoever asked for the namespace is number 1 in it.
    return ::unshare(CLONE_NEWPID) == 0 && InChild(work);
  };
  auto const isAllowed = [&] { return InChild([&] { return inNamespace([] { return ::getpid() == 1; }); }); };
  if (!isAllowed()) GTEST_SKIP() << "this user may not make process id namespaces";
  EXPECT_TRUE(InChild([&] {
    return inNamespace([&] {
      auto const* const parents = &held.Get();
      auto const parentsId = ::getpid();
      return inNamespace([&] { return ::getpid() == parentsId && held.Find() == nullptr && &held.Get() != parents; });
    });
  }));
}

}  // namespace
}  // namespace mtlspop::test
