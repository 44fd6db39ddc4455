// The transport of the process, which the environment points at a test environment.

#include "mtlspop/transport/environment.hpp"

#include <gmock/gmock.h>

#include "support/scoped_environment.hpp"
#include "transport_test.hpp"

namespace mtlspop::test {
namespace {

TEST(DefaultHttpTransportTest, IsOneForTheProcessForAsLongAsSomebodyHoldsIt) {
  std::weak_ptr<HttpTransport> before;
  {
    std::shared_ptr<HttpTransport> const first = DefaultHttpTransport();
    std::shared_ptr<HttpTransport> const second = DefaultHttpTransport();
    EXPECT_EQ(first, second);
    before = first;
  }
  EXPECT_TRUE(before.expired());
}

TEST(DefaultHttpTransportTest, GoesWhereTheEnvironmentSays) {
  auto serverOptions = TlsServer();
  serverOptions.Tls->Certificate = Authority().IssueForNames({"contoso.vault.azure.net"});
  ScriptedServer server{serverOptions, ServeX5tS256};
  ScopedEnvironment const environment{
      {{"MTLSPOP_CA_FILE", Authority().CertificatePath()},
       {"MTLSPOP_CONNECT_OVERRIDES", "*.vault.azure.net:443=" + server.HostAndPort()},
       {"https_proxy", std::nullopt},
       {"HTTPS_PROXY", std::nullopt},
       {"all_proxy", std::nullopt},
       {"ALL_PROXY", std::nullopt}}};
  std::shared_ptr<HttpTransport> const transport = DefaultHttpTransport();
  auto const binding = NewBinding();
  EXPECT_EQ(Fetch(transport, Get("https://contoso.vault.azure.net/secrets"), binding).Body, binding->X5tS256());
  // It is pointed elsewhere, and verifies all the same.
  EXPECT_EQ(
      ErrorCodeOf([&] { Fetch(transport, Get("https://other.vault.azure.net/secrets"), binding); }),
      "server_certificate_rejected");
}

}  // namespace
}  // namespace mtlspop::test
