#include <azure/core/diagnostics/logger.hpp>

#include <mutex>

#include "azure_fixture.hpp"
#include "support/recorded_spans.hpp"

namespace mtlspop::test {
namespace {

using Azure::Core::Diagnostics::Logger;
using testing::Contains;
using testing::Each;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class AzureDiagnostics : public AzureAgainstEmulator {
 protected:
  ~AzureDiagnostics() override {
    Logger::SetListener(nullptr);
    Logger::SetLevel(Logger::Level::Warning);
  }

  void Listen(Logger::Level level) {
    Logger::SetLevel(level);
    Logger::SetListener([this](Logger::Level, std::string const& message) {
      std::lock_guard<std::mutex> const lock{mutex_};
      if (message.rfind("mtlspop: ", 0) == 0) lines_.push_back(message);
    });
  }

  std::mutex mutex_;
  std::vector<std::string> lines_;
};

/// The road from the key to the secret, as somebody sees it who knows nothing but the Azure SDK's log.
TEST_F(AzureDiagnostics, TheRoadIsInAzuresLog) {
  Listen(Logger::Level::Verbose);
  MakeSecretClient(MakeCredential()).GetSecret("boundsecret");
  std::lock_guard<std::mutex> const lock{mutex_};
  for (auto const* const event : {"binding.issued ", "token.obtained ", "service.answered ", "transport.connected "}) {
    EXPECT_THAT(lines_, Contains(StartsWith(std::string{"mtlspop: "} + event)));
  }
  EXPECT_THAT(lines_, Each(Not(HasSubstr("eyJ"))));
}

/// A healthy start has no warning there either.
TEST_F(AzureDiagnostics, AHealthyStartWarnsOfNothing) {
  Listen(Logger::Level::Warning);
  MakeSecretClient(MakeCredential()).GetSecret("boundsecret");
  std::lock_guard<std::mutex> const lock{mutex_};
  EXPECT_THAT(lines_, testing::IsEmpty());
}

/// The span of the token. Its events are those of the caller's thread, and a managed identity gets its tokens on another one.
TEST_F(AzureDiagnostics, TheRoadIsInTheTraceOfTheClientsCall) {
  auto const spans = std::make_shared<azure::SpanRecorder>();
  auto const credential = MakeCredential();
  auto options = Bound<SecretClientOptions>(credential);
  options.Telemetry.TracingProvider = spans;
  SecretClient const client{VaultUrl(), credential, options};
  // As a client's method does. The Key Vault clients of late 2026 have come to make none of their own.
  azure::tracing::TracingContextFactory const factory{options, "Microsoft.KeyVault", "keyvault-secrets", "4.0"};
  auto const method = factory.CreateTracingContext("SecretClient.GetSecret", {});
  client.GetSecret("boundsecret", {}, method.Context);
  client.GetSecret("boundsecret", {}, method.Context);
  auto const tokens = spans->Named("BoundTokenCredential.GetToken");
  ASSERT_EQ(tokens.size(), 1U);
  EXPECT_THAT(tokens[0]->Parent, HasSubstr("GetSecret"));
  EXPECT_EQ(tokens[0]->Attributes.at("mtlspop.type"), "mtls_pop");
  EXPECT_FALSE(tokens[0]->Attributes.at("mtlspop.x5t_s256").empty());
}

}  // namespace
}  // namespace mtlspop::test
