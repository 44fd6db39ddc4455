// The example at the top of handler.hpp, included where it stands.
#include <memory>

#include <cpprest/http_client.h>
#include <gtest/gtest.h>

#include "mtlspop/cpprest/handler.hpp"
#include "mtlspop/credential/managed_identity_credential.hpp"
#include "pointed_at.hpp"

namespace mtlspop::test {
namespace {

TEST(HeaderExamples, HandlerCarriesABoundToken) {
  Emulator const emulator;
  ScopedEnvironment const environment{PointedAt(emulator)};
#include "examples/handler.inc"
  auto const last = emulator.Log("vault").back();
  EXPECT_EQ(last.at("x5t_s256"), credential->GetToken(VaultRequest(), {}).Binding->X5tS256());
  EXPECT_NE(answer.status_code(), 401) << "there is no such secret, and whoever asks may ask";
}

}  // namespace
}  // namespace mtlspop::test
