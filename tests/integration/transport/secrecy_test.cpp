// Architecture, rule 5: no token, password or key in a log line or in the text of an error, whatever happens.

#include <gmock/gmock.h>

#include <mutex>

#include "mtlspop/transport/log.hpp"
#include "transport_test.hpp"

namespace mtlspop::test {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr char const* Token = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJodHRwczovL3ZhdWx0LmF6dXJlLm5ldCJ9.c2VjcmV0c2lnbmF0dXJl";
constexpr char const* Assertion = "client_assertion=hunter2assertion";
constexpr char const* Password = "hunter2password";

class SecrecyTest : public testing::Test {
 protected:
  TransportOptions Options() {
    auto options = TrustingOptions();
    options.Observer = MakeLog(
        [this](Severity, std::string_view line) {
          std::lock_guard<std::mutex> const lock{mutex_};
          said_.append(line).append("\n");
        },
        Severity::Debug);
    return options;
  }

  /// A request that holds all that must not be told, in the places where it stands in life.
  static Request Secretive(std::string const& url) {
    auto request = Post(url, Assertion);
    request.Fields.Set("Authorization", std::string{"mtls_pop "} + Token);
    return request;
  }

  /// Sends it, whatever becomes of it.
  void Run(TransportOptions const& options, std::string const& url, Binding const& binding) {
    try {
      Fetch(MakeTransport(options), Secretive(url), binding);
    } catch (Error const& error) {
      std::lock_guard<std::mutex> const lock{mutex_};
      said_.append(DescribeWithCauses(error)).append("\n");
    }
  }

  void ExpectNothingTold() {
    std::lock_guard<std::mutex> const lock{mutex_};
    for (auto const* secret : {"eyJ", "c2VjcmV0", "hunter2", "PRIVATE KEY", "aHVudGVyMnBhc3N3b3Jk"}) {
      EXPECT_THAT(said_, Not(HasSubstr(secret)));
    }
  }

 private:
  std::mutex mutex_;
  std::string said_;
};

TEST_F(SecrecyTest, WhenAllIsWell) {
  ScriptedServer server{TlsServer(), ServeX5tS256};
  Run(Options(), server.Url(), NewBinding());
  Run(Options(), server.Url("/?access_token=hunter2query"), nullptr);
  ExpectNothingTold();
}

TEST_F(SecrecyTest, WhenTheServerRepeatsWhatItWasSent) {
  ScriptedServer server{TlsServer(), [](ScriptedConnection& connection) {
                          auto const request = connection.ReadRequest();
                          connection.Write(
                              "HTTP/1.1 200 " + request.Get("Authorization") + "\r\nX-A: " + request.Body +
                              "\r\nContent-Length: " + request.Get("Authorization") + "\r\n\r\n");
                        }};
  Run(Options(), server.Url(), NewBinding());
  ExpectNothingTold();
}

TEST_F(SecrecyTest, WhenTheConnectionIsLost) {
  ScriptedServer server{TlsServer(), [](ScriptedConnection& connection) {
                          connection.ReadRequest();
                          connection.Reset();
                        }};
  Run(Options(), server.Url("/?access_token=hunter2query"), NewBinding());
  ExpectNothingTold();
}

TEST_F(SecrecyTest, WhenAFieldIsRefused) {
  auto request = Get("https://vault.test/");
  request.Fields.Set("Authorization", std::string{"mtls_pop "} + Token + "\r\n");
  auto const error = ErrorOf([&] { Fetch(MakeTransport(Options()), std::move(request)); });
  ASSERT_TRUE(error);
  EXPECT_THAT(error->what(), Not(HasSubstr("eyJ")));
  ExpectNothingTold();
}

TEST_F(SecrecyTest, WhenAProxyRefuses) {
  ScriptedServer proxy{[](ScriptedConnection& connection) {
    auto const request = connection.ReadRequest();
    connection.Write("HTTP/1.1 407 " + request.Get("Proxy-Authorization") + "\r\nContent-Length: 0\r\n\r\n");
  }};
  auto options = Options();
  options.Proxy.Url = "http://" + proxy.HostAndPort();
  options.Proxy.UserName = "somebody";
  options.Proxy.Password = Secret{std::string_view{Password}};
  Run(options, "https://vault.test/", NewBinding());
  ExpectNothingTold();
}

TEST_F(SecrecyTest, WhenAProxysUrlCannotBeUsed) {
  auto options = Options();
  options.Proxy.Url = std::string{"http://somebody:"} + Password + "@bad host/";
  auto const error = ErrorOf([&] { MakeTransport(options); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Code().Name(), "invalid_argument");
  EXPECT_THAT(error->what(), Not(HasSubstr("hunter2")));
}

}  // namespace
}  // namespace mtlspop::test
