// The queue of native calls, without a library.

#include <condition_variable>
#include <future>
#include <list>
#include <mutex>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mtlspop/credential/errors.hpp"
#include "windows/attestation_calls.hpp"
#include "windows/attestation_library.hpp"

namespace mtlspop::windows_tests {
namespace {

using testing::HasSubstr;

class AttestationCallsTest : public testing::Test {
 protected:
  /// A call that comes back when the test says so. Returns when it is being made and its caller has left.
  void Hang() {
    auto const context = Context{}.WithCancellation();
    std::thread other{[&] {
      begun_.get_future().wait();
      context.Cancel();
    }};
    auto const hang = [this] {
      begun_.set_value();
      release_.get_future().wait();
      return Secret{std::string_view{"late"}};
    };
    EXPECT_THROW(calls_.Make("hung", hang, context), Error);
    other.join();
  }

  ErrorDetails FailureOf(std::string const& name, Context const& context) {
    try {
      calls_.Make(name, &AttestationCallsTest::Quick, context);
    } catch (Error const& error) {
      return error.Details();
    }
    ADD_FAILURE() << "the call was made";
    return ErrorDetails{ErrorCode{"none"}, {}, {}};
  }

  static Secret Quick() { return Secret{std::string_view{"quick"}}; }

  std::promise<void> begun_;
  std::promise<void> release_;
  windows::AttestationCalls calls_;
};

TEST_F(AttestationCallsTest, ResultsAndFailuresReachTheCaller) {
  EXPECT_EQ(calls_.Make("name", &AttestationCallsTest::Quick, {}).Reveal(), "quick");
  auto const fail = []() -> Secret { throw Error{ErrorDetails{errors::AttestationFailed, "It failed", "Nothing"}}; };
  EXPECT_THROW(calls_.Make("name", fail, {}), Error);
  EXPECT_EQ(calls_.Make("name", &AttestationCallsTest::Quick, {}).Reveal(), "quick") << "a failure is not joined";
}

TEST_F(AttestationCallsTest, AContextThatHasEndedMakesNoCall) {
  auto const context = Context{}.WithCancellation();
  context.Cancel();
  EXPECT_EQ(FailureOf("name", context).Code, errors::Cancelled);
}

TEST_F(AttestationCallsTest, WhoeverMadeTheCallThatIsLateIsToldThatItIsThatOne) {
  auto const late = [this] {
    begun_.set_value();
    release_.get_future().wait();
    return Quick();
  };
  int looks = 0;
  auto const context = Context{}.WithTimeout(std::chrono::milliseconds{500}).WithCancellationProbe([&] {
    // The second look is that of somebody who waits.
    if (++looks == 2) {
      begun_.get_future().wait();
    }
    return false;
  });
  try {
    calls_.Make("late", late, context);
    ADD_FAILURE() << "the call has ended";
  } catch (Error const& error) {
    EXPECT_EQ(error.Code(), errors::DeadlineExceeded);
    EXPECT_TRUE(error.Details().Transient);
    EXPECT_THAT(error.Details().What, HasSubstr("Microsoft's attestation library has not come back"));
    EXPECT_THAT(error.Details().What, testing::Not(HasSubstr("earlier")));
  }
  release_.set_value();
}

TEST_F(AttestationCallsTest, MoreThanTheQueueHoldsAreRefusedAtOnce) {
  Hang();
  constexpr auto most = windows::AttestationCalls::MostWaiting;
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t waiting = 0;
  auto const cancelled = Context{}.WithCancellation();
  std::vector<std::thread> threads;
  for (std::size_t index = 0; index < most; ++index) {
    threads.emplace_back([&, index] {
      int looks = 0;
      auto const context = cancelled.WithCancellationProbe([&] {
        std::lock_guard<std::mutex> const lock{mutex};
        // By the second look it is in the queue.
        if (++looks == 2) {
          ++waiting;
          changed.notify_all();
        }
        return false;
      });
      EXPECT_EQ(FailureOf("name " + std::to_string(index), context).Code, errors::Cancelled);
    });
  }
  {
    std::unique_lock<std::mutex> lock{mutex};
    changed.wait(lock, [&] { return waiting == most; });
  }
  auto const failure = FailureOf("one more", {});
  EXPECT_EQ(failure.Code, errors::AttestationFailed);
  EXPECT_TRUE(failure.Transient);
  EXPECT_THAT(failure.What, HasSubstr("has not come back"));

  cancelled.Cancel();
  for (auto& thread : threads) {
    thread.join();
  }
  auto const later = FailureOf("one more", Context{}.WithTimeout(std::chrono::milliseconds{20}));
  EXPECT_EQ(later.Code, errors::DeadlineExceeded) << "those who left have made room";
  release_.set_value();
}

}  // namespace
}  // namespace mtlspop::windows_tests
