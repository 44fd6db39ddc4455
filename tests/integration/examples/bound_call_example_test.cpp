// The driver at the top of bound_call.hpp, included where it stands.
#include <chrono>
#include <memory>
#include <optional>
#include <variant>

#include <gtest/gtest.h>

#include "mtlspop/credential/managed_identity_credential.hpp"
#include "mtlspop/policies/bound_call.hpp"
#include "mtlspop/transport/clock.hpp"
#include "mtlspop/transport/environment.hpp"
#include "pointed_at.hpp"

namespace mtlspop::test {
namespace {

TEST(HeaderExamples, BoundCallIsDrivenToItsAnswer) {
  Emulator const emulator;
  ScopedEnvironment const environment{PointedAt(emulator)};
  ManagedIdentityCredential credential;
  auto const transport = DefaultHttpTransport();
  auto const time = SystemClock();
  auto const settings = std::make_shared<BoundCallSettings const>(BoundCallOptions{});
  Request request{"GET", Url::Parse("https://myvault.vault.azure.net/secrets/a?api-version=7.4")};
  auto const context = Context{}.WithTimeout(std::chrono::seconds{30});
  std::unique_ptr<Response> response;
  std::optional<AccessToken> sent;

  auto const Now = [&] { return CallTime{time->Now(), time->SteadyNow()}; };
  auto const Report = [&](BoundCall::Refusal const& refusal) {
    credential.ReportRefusal(*refusal.Request, refusal.Token, refusal.Reason);
  };
  auto const TokenOrError = [&](BoundCall& call, BoundCall::GetToken const& ask) {
    try {
      return call.TokenObtained(credential.GetToken(*ask.Request, context), Now());
    } catch (Error const& error) {
      return call.TokenFailed(error, Now());
    }
  };
  auto const AnswerOrError = [&](BoundCall& call, BoundCall::Send const& send) {
    sent = send.Token;
    request.Fields.Remove("Authorization");
    if (sent) request.Fields.Set("Authorization", sent->AuthorizationHeader());
    if (sent) request.Fields.Set("x-ms-tokenboundauth", "true");
    try {
      response = transport->Send(request, sent ? sent->Binding : nullptr, context);
      return call.Answered({response->StatusCode, response->Fields, "", &response->Connection}, Now());
    } catch (Error const& error) {
      return call.SendFailed(error, Now());
    }
  };
#include "examples/bound_call.inc"
  ASSERT_TRUE(sent);
  EXPECT_EQ(sent->Type, TokenType::MtlsPop);
  EXPECT_NE(response->StatusCode, 401) << "there is no such secret, and whoever asks may ask";
}

}  // namespace
}  // namespace mtlspop::test
