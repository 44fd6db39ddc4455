#include <gtest/gtest.h>
#include <gsl/util>

#include "support/error_code_of.hpp"
#include "support/failing_random.hpp"
#include "token_handles.hpp"

namespace mtlspop::azure {
namespace {

/// A handle that could be guessed is none.
TEST(AttackTokenHandlesTest, AreNotMadeWithoutTheSystemsRandomNumbers) {
  TokenHandles handles;
  TokenRequest request;
  request.Scopes = {"scope"};
  {
    test::thereAreNoRandomNumbers = true;
    auto const back = gsl::finally([] { test::thereAreNoRandomNumbers = false; });
    EXPECT_EQ(test::ErrorCodeOf([&] { handles.For(request); }), "system_failure");
  }
  EXPECT_TRUE(TokenHandles::IsHandle(handles.For(request)));
}

}  // namespace
}  // namespace mtlspop::azure
