// A process that forks between two tokens: the child has none of the threads that its copies of locks and lists tell of.
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_cloud.hpp"

namespace mtlspop::test {
namespace {

/// Runs `work` in a child process, for half a minute at most. True where it returned true there.
template <typename Work>
bool InChild(Work&& work) {
  pid_t const child = ::fork();
  if (child == 0) {
    // Whatever waits for a thread that is not there is ended by the signal.
    ::alarm(30);
    bool good = false;
    try {
      good = work();
    } catch (std::exception const& error) {
      // The child has no test framework to tell.
      auto const* const text = error.what();
      (void)!::write(STDERR_FILENO, text, std::char_traits<char>::length(text));
    }
    ::_exit(good ? 0 : 1);
  }
  int status = -1;
  if (child < 0 || ::waitpid(child, &status, 0) != child) return false;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

constexpr char const* OtherScope = "https://storage.azure.com/.default";

/// The thread that got the parent's token waits for more to do just then.
TEST(ForkTest, AChildGetsTokensThoughTheParentsThreadsWereIdle) {
  ManagedIdentityWorld world;
  auto const token = world.Get();
  EXPECT_TRUE(InChild([&] {
    if (world.Get().Token != token.Token) return false;
    auto const other = world.Get(ManagedIdentityWorld::Request(OtherScope));
    world.Drop();
    return other.Binding != nullptr && other.Binding->KeyId() == token.Binding->KeyId();
  }));
  EXPECT_EQ(world.Get(ManagedIdentityWorld::Request(OtherScope)).Type, TokenType::MtlsPop);
}

TEST(ForkTest, AChildDestroysACredentialAndMakesAnother) {
  ManagedIdentityWorld world;
  world.Get();
  EXPECT_TRUE(InChild([&] {
    world.Drop();
    return world.Get(ManagedIdentityWorld::Request(OtherScope)).Type == TokenType::MtlsPop;
  }));
  EXPECT_EQ(world.Get(ManagedIdentityWorld::Request(OtherScope)).Type, TokenType::MtlsPop);
}

}  // namespace
}  // namespace mtlspop::test
