// What happens to a token request where there is no memory: in this program every so-manieth allocation fails.

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_cloud.hpp"
#include "mtlspop/base/pending_wait.hpp"
#include "mtlspop/transport/executor.hpp"
#include "support/event.hpp"
#include "support/failing_allocations.hpp"

namespace mtlspop::test {
namespace {

/// 0 for no failure.
std::atomic<std::uint64_t> failEvery{0};
std::atomic<std::uint64_t> allocations{0};
/// For what is the test's own.
thread_local int pauses = 0;

struct Pause {
  Pause() noexcept { ++pauses; }
  ~Pause() { --pauses; }
};

}  // namespace

bool Fails() noexcept {
  auto const every = failEvery.load();
  return every != 0 && pauses == 0 && ++allocations % every == 0;
}

namespace {

/// The services are not what is tested.
class PausingCloud final : public HttpTransport {
 public:
  explicit PausingCloud(std::shared_ptr<FakeCloud> cloud) : cloud_(std::move(cloud)) {}
  std::unique_ptr<Response> Send(
      Request& request, std::shared_ptr<BindingCertificate const> const& binding, Context const& context) override {
    Pause const pause;
    return cloud_->Send(request, binding, context);
  }
  void DropConnections(std::string_view) noexcept override {}

 private:
  std::shared_ptr<FakeCloud> cloud_;
};

/// The code of the error that getting a token ends with.
std::string CodeOfGetting(ManagedIdentityCredential& credential, std::uint64_t every) {
  auto const request = ManagedIdentityWorld::Request();
  std::string_view code = "no error";
  allocations = 0;
  failEvery = every;
  try {
    credential.GetToken(request, {});
    failEvery = 0;
  } catch (Error const& error) {
    failEvery = 0;
    code = error.Code().Name();
  } catch (std::exception const& exception) {
    failEvery = 0;
    ADD_FAILURE() << every << ": " << exception.what();
  }
  return std::string{code};
}

/// Where nothing can be begun, the call fails with an error that says so, and the next one gets a token.
TEST(AttackMemory, NoMemoryIsAnErrorAndNothingElse) {
  ASSERT_EQ(failingIsInstalled, 1);
  for (std::uint64_t every = 1; every <= 4; ++every) {
    ManagedIdentityWorld world;
    world.Keys->Remembers = false;
    world.Options.Observer = {};
    world.Options.Transport = std::make_shared<PausingCloud>(world.Cloud);
    auto& credential = world.Credential();
    EXPECT_EQ(CodeOfGetting(credential, every), "system_failure") << every;
    EXPECT_EQ(credential.GetToken(world.Request(), {}).Type, TokenType::MtlsPop) << every;
  }
}

/// Whatever ends a wait, whoever waits is told: nothing that it takes is made by then. Nobody else could be told.
TEST(AttackMemory, TheEndOfAWaitIsToldWithoutMemory) {
  using Wait = ContextWait<Context>;
  auto const cancellable = Context{}.WithCancellation();
  std::atomic<int> asked{0};
  auto const probed = Context{}.WithCancellationProbe([&asked] { return ++asked > 3; });
  auto const soon = std::chrono::steady_clock::now() + std::chrono::milliseconds{50};
  struct Ended {
    Event Told;
    WaitEnd How = WaitEnd::Woken;
  };
  std::array<Ended, 5> ended;
  auto const begin = [&](std::size_t index, Context const& context,
                         Context::TimePoint until = Context::TimePoint::max()) {
    return Wait::Begin(context, until, DefaultExecutor(), [&told = ended[index]](WaitEnd how) {
      told.How = how;
      told.Told.Set();
    });
  };
  auto const woken = begin(0, {});
  auto const cancelled = begin(1, cancellable);
  auto const late = begin(2, Context{}.WithDeadline(soon));
  auto const over = begin(3, {}, soon);
  auto const polled = begin(4, probed);
  failEvery = 1;
  woken->Wake();
  cancellable.Cancel();
  bool areTold = true;
  for (auto const& one : ended) areTold = one.Told.Wait() && areTold;
  failEvery = 0;
  EXPECT_TRUE(areTold);
  EXPECT_EQ(ended[0].How, WaitEnd::Woken);
  EXPECT_EQ(ended[1].How, WaitEnd::ContextEnded);
  EXPECT_EQ(ended[2].How, WaitEnd::ContextEnded);
  EXPECT_EQ(ended[3].How, WaitEnd::TimeHasCome);
  EXPECT_EQ(ended[4].How, WaitEnd::ContextEnded);
}

/// A lock that nobody has been given is not held: whoever comes next has it.
TEST(AttackMemory, AFailedAllocationLeavesNoLockBehind) {
  auto const store = MakeMemoryBindingStore();
  std::string const name(100, 'n');
  int failed = 0;
  for (std::uint64_t every = 1; every <= 20; ++every) {
    allocations = 0;
    failEvery = every;
    try {
      store->Acquire(name, {});
      failEvery = 0;
    } catch (std::bad_alloc const&) {
      failEvery = 0;
      ++failed;
    }
    EXPECT_TRUE(store->Acquire(name, Context{}.WithTimeout(std::chrono::milliseconds{1}))) << every;
  }
  EXPECT_GT(failed, 2);
}

}  // namespace
}  // namespace mtlspop::test
