#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "azure/azure_fixture.hpp"
#include "support/event.hpp"
#include "support/scoped_environment.hpp"
#include "support/scripted_server.hpp"
#include "support/server_process.hpp"
#include "support/squid_proxy.hpp"
#include "support/test_certificate_authority.hpp"

namespace mtlspop::test {
namespace {

class AzureTransportOptions : public AzureAgainstEmulator {
 protected:
  /// What stands between the lines of a certificate in PEM, as Azure wants it.
  static std::string Base64Of(std::istream&& pem) {
    std::string text;
    for (std::string line; std::getline(pem, line);) {
      if (line.rfind("-----", 0) != 0) text += line;
    }
    return text;
  }
  std::string RootCertificate() const {
    return Base64Of(std::ifstream{emulator_.Startup().at("ca_file").get<std::string>()});
  }

  /// Options of a client that is to make its own transport.
  Azure::Core::_internal::ClientOptions Options() const {
    Azure::Core::_internal::ClientOptions options;
    options.Retry.MaxRetries = 0;
    options.Transport.ExpectedTlsRootCertificate = RootCertificate();
    return options;
  }

  /// By its address: what is overridden goes past every proxy.
  int Read(Azure::Core::_internal::ClientOptions options) const {
    azure::BoundTokenCredentialOptions credentialOptions;
    credentialOptions.ManagedIdentity = emulator_.CredentialOptions();
    auto const credential = std::make_shared<azure::BoundTokenCredential>(credentialOptions);
    azure::UseTokenBinding(options, credential);
    auto const vault = emulator_.Startup().at("vault").get<std::string>();
    return GetStatus(MakePipeline(credential, VaultScope, options), vault + "/secrets/boundsecret?api-version=7.4");
  }

  ScopedEnvironment const environment_{
      {{"NO_PROXY", std::nullopt},
       {"no_proxy", std::nullopt},
       {"https_proxy", std::nullopt},
       {"HTTPS_PROXY", DeadProxy()}}};

 private:
  static std::string DeadProxy() { return "http://127.0.0.1:" + std::to_string(ReserveLoopbackPort()); }
};

TEST_F(AzureTransportOptions, TakeTheEnvironmentsProxyWhereTheyNameNone) {
  EXPECT_THROW(Read(Options()), Azure::Core::Http::TransportException);
}

TEST_F(AzureTransportOptions, TakeNoProxyWhereTheyNameAnEmptyOne) {
  auto options = Options();
  options.Transport.HttpProxy = "";
  EXPECT_EQ(Read(options), 200);
}

TEST_F(AzureTransportOptions, TakeTheProxyThatTheyNameWithItsCredentials) {
  TestCertificateAuthority authority;
  SquidProxy const squid{SquidAuthentication::Basic, authority.IssueForLoopback()};
  auto options = Options();
  options.Transport.HttpProxy = squid.PlainUrl();
  options.Transport.ProxyUserName = SquidProxy::UserName;
  options.Transport.ProxyPassword = SquidProxy::Password;
  EXPECT_EQ(Read(options), 200);
  EXPECT_TRUE(Eventually([&] {
    auto const log = squid.AccessLog();
    return log.find("CONNECT") != std::string::npos && log.find(SquidProxy::UserName) != std::string::npos;
  })) << squid.AccessLog();
}

TEST_F(AzureTransportOptions, TrustNobodyButTheExpectedRoot) {
  auto options = Options();
  options.Transport.HttpProxy = "";
  options.Transport.ExpectedTlsRootCertificate.clear();
  try {
    Read(options);
    FAIL();
  } catch (Azure::Core::RequestFailedException const& error) {
    EXPECT_EQ(error.ErrorCode, "server_certificate_rejected");
  }
}

/// What people pin, and azure-core's own tests: the authority that issued the server's certificate, or that itself.
TEST_F(AzureTransportOptions, TrustAnIssuingAuthorityOrTheServersOwnCertificateAsTheExpectedRoot) {
  TestCertificateAuthority const root;
  TestCertificateAuthority issuing{"issuing authority", root};
  TestCertificateAuthority const stranger{"another authority"};
  ScriptedServerOptions serverOptions;
  serverOptions.Tls.emplace();
  serverOptions.Tls->Certificate = issuing.IssueForLoopback();
  ScriptedServer const server{serverOptions, [](ScriptedConnection& connection) {
                                while (connection.TryReadRequest()) connection.Answer(200, "ok");
                              }};
  auto const statusWith = [&](std::string const& trusted) {
    Azure::Core::_internal::ClientOptions options;
    options.Retry.MaxRetries = 0;
    options.Transport.HttpProxy = "";
    options.Transport.ExpectedTlsRootCertificate = Base64Of(std::istringstream{trusted});
    azure::UseTokenBinding(
        options, std::make_shared<azure::BoundTokenCredential>(
                     std::make_shared<ManagedIdentityCredential>(emulator_.CredentialOptions())));
    return GetStatus(Pipeline{options, "test", "1.0", {}, {}}, server.Url());
  };
  EXPECT_EQ(statusWith(issuing.CertificatePem()), 200);
  EXPECT_EQ(statusWith(serverOptions.Tls->Certificate.CertificatePem), 200);
  EXPECT_THROW(statusWith(stranger.CertificatePem()), Azure::Core::RequestFailedException);
}

}  // namespace
}  // namespace mtlspop::test
