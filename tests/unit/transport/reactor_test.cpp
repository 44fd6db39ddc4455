// The threads that wait for asynchronous requests, in a process that has none of them.

#include "openssl/reactor.hpp"

#include <gtest/gtest.h>

#include <memory>

#include "support/in_child.hpp"

namespace mtlspop::openssl {
namespace {

class Something final : public Resumable {
 public:
  void Resume() noexcept override {}
};

/// Its thread is the parent's, and so are its locks, which that thread may hold for ever as far as a child can tell.
TEST(ReactorTest, TakesNothingInAChildOfFork) {
  Reactor reactor;
  auto const something = std::make_shared<Something>();
  EXPECT_TRUE(test::InChild([&] {
    reactor.Ready(something);
    return something.use_count() == 1;
  }));
  reactor.Ready(something);
  EXPECT_EQ(something.use_count(), 2);
}

}  // namespace
}  // namespace mtlspop::openssl
