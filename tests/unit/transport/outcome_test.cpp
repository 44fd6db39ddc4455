#include "mtlspop/transport/outcome.hpp"

#include <memory>
#include <stdexcept>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mtlspop {
namespace {

std::string Throw() { throw std::runtime_error{"lost"}; }

TEST(OutcomeTest, HasAValue) {
  Outcome<std::unique_ptr<int>> outcome{std::make_unique<int>(42)};
  EXPECT_TRUE(outcome.HasValue());
  EXPECT_EQ(outcome.Failure(), nullptr);
  EXPECT_EQ(*std::move(outcome).Take(), 42);
}

TEST(OutcomeTest, HasWhatWasThrownInItsPlace) {
  auto outcome = OutcomeOf(&Throw);
  EXPECT_FALSE(outcome.HasValue());
  EXPECT_NE(outcome.Failure(), nullptr);
  EXPECT_THROW(std::move(outcome).Take(), std::runtime_error);
}

TEST(OutcomeTest, CanBeOfNothing) {
  EXPECT_TRUE(OutcomeOf([] {}).HasValue());
  EXPECT_NO_THROW(OutcomeOf([] {}).Take());
  EXPECT_THROW(OutcomeOf([] { Throw(); }).Take(), std::runtime_error);
}

TEST(OutcomeTest, IsOfWhatAFunctionReturns) {
  EXPECT_EQ(OutcomeOf([] { return std::string{"here"}; }).Take(), "here");
}

}  // namespace
}  // namespace mtlspop
