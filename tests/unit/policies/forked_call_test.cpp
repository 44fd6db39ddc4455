// What a child of fork() makes of what its parent was about.

#include <chrono>
#include <memory>
#include <variant>

#include <gtest/gtest.h>

#include "mtlspop/policies/bound_call.hpp"
#include "support/in_child.hpp"

namespace mtlspop {
namespace {

using namespace mtlspop::test;

/// What the parent's threads are asking just then, nobody answers in a child.
TEST(AttackForkedCallTest, AChildAsksTheResourceItself) {
  auto const settings = std::make_shared<BoundCallSettings const>(BoundCallOptions{});
  CallTarget const target{"GET", Url::Parse("https://localhost/a")};
  CallTime const now{std::chrono::system_clock::now(), std::chrono::steady_clock::now()};
  BoundCall asking{settings, target};
  EXPECT_TRUE(std::holds_alternative<BoundCall::Send>(asking.Start(now)));
  BoundCall beside{settings, target};
  EXPECT_TRUE(std::holds_alternative<BoundCall::WaitForAnotherCall>(beside.Start(now)));
  EXPECT_TRUE(InChild([&] {
    BoundCall childs{settings, target};
    return std::holds_alternative<BoundCall::Send>(childs.Start(now));
  }));
}

}  // namespace
}  // namespace mtlspop
