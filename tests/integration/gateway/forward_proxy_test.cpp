#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/gateway_fixture.hpp"
#include "gateway/handles.hpp"

namespace mtlspop::test {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class GatewayForwardProxy : public GatewayTest {};

TEST_F(GatewayForwardProxy, ExchangesAHandleForABoundTokenOnTheWayToTheVault) {
  auto const handle = HandleFor();
  EXPECT_THAT(handle, StartsWith(std::string{gateway::Handles::Prefix}));

  auto const result = Curl({"-i", "-H", "Authorization: Bearer " + handle, VaultUrl()});

  EXPECT_EQ(result.Status, 0) << result.Errors;
  EXPECT_THAT(result.Output, HasSubstr("HTTP/1.1 200 OK"));
  EXPECT_THAT(result.Output, HasSubstr("boundsecret"));
  EXPECT_THAT(result.Output, Not(HasSubstr("x-mtlspop-error")));
}

}  // namespace
}  // namespace mtlspop::test
