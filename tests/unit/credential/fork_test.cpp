// A process that forks between two tokens: the child has none of the threads that its copies of locks and lists tell of.
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_cloud.hpp"
#include "mtlspop/credential/binding_store.hpp"
#include "support/temporary_directory.hpp"

namespace mtlspop::test {
namespace {

using namespace std::chrono_literals;

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

/// A child that lives on, doing nothing, until this object ends.
class IdleChild final {
 public:
  IdleChild() {
    if (::pipe(ends_.data()) != 0) return;
    child_ = ::fork();
    if (child_ != 0) return;
    ::alarm(30);
    ::close(ends_[1]);
    char byte = 0;
    (void)!::read(ends_[0], &byte, 1);
    ::_exit(0);
  }
  ~IdleChild() {
    ::close(ends_[1]);
    ::close(ends_[0]);
    if (child_ > 0) ::waitpid(child_, nullptr, 0);
  }
  IdleChild(IdleChild const&) = delete;
  IdleChild& operator=(IdleChild const&) = delete;
  bool Lives() const noexcept { return child_ > 0; }

 private:
  std::array<int, 2> ends_{-1, -1};
  pid_t child_ = -1;
};

/// flock() belongs to the open file, which the child has too.
TEST(ForkTest, AChildDoesNotKeepItsParentsFileLock) {
  TemporaryDirectory directory;
  auto const folder = directory.PathOf("store");
  auto held = MakeFileBindingStore({folder})->Acquire("name", {});
  ASSERT_TRUE(held);
  IdleChild const child;
  ASSERT_TRUE(child.Lives());
  held.reset();
  EXPECT_TRUE(MakeFileBindingStore({folder})->Acquire("name", Context{}.WithTimeout(1s)));
}

TEST(ForkTest, AChildDoesNotLetGoOfItsParentsFileLock) {
  TemporaryDirectory directory;
  auto const folder = directory.PathOf("store");
  auto held = MakeFileBindingStore({folder})->Acquire("name", {});
  ASSERT_TRUE(held);
  EXPECT_TRUE(InChild([&] {
    held.reset();
    return true;
  }));
  EXPECT_FALSE(MakeFileBindingStore({folder})->Acquire("name", Context{}.WithTimeout(30ms)));
}

}  // namespace
}  // namespace mtlspop::test
