#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "gateway/gateway_fixture.hpp"

namespace mtlspop::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr char const* Query = "api-version=2018-02-01&resource=https://vault.azure.net";

class GatewayMetadataService : public GatewayTest {
 protected:
  ProgramResult Ask(
      std::string const& query,
      std::vector<std::string> arguments = {"-H", "Metadata: true"},
      std::string const& path = "/metadata/identity/oauth2/token") const {
    arguments.insert(arguments.begin(), "-i");
    arguments.push_back(Variable("AZURE_POD_IDENTITY_AUTHORITY_HOST") + path + "?" + query);
    return Curl(std::move(arguments));
  }
};
class AttackGatewayMetadataService : public GatewayMetadataService {};

TEST_F(GatewayMetadataService, AnswersAsTheMachinesOwnDoes) {
  auto const result = Ask(Query);
  EXPECT_THAT(result.Output, HasSubstr("HTTP/1.1 200 OK"));
  auto const body = nlohmann::json::parse(result.Output.substr(result.Output.find("\r\n\r\n")));
  EXPECT_EQ(body.at("token_type"), "Bearer");
  EXPECT_EQ(body.at("resource"), "https://vault.azure.net");
  EXPECT_GT(std::stol(body.at("expires_in").get<std::string>()), 3600);
  EXPECT_GT(std::stol(body.at("expires_on").get<std::string>()), 1'700'000'000);
}

TEST_F(GatewayMetadataService, TakesASlashAtTheEndAndAUserAssignedIdentity) {
  auto const id = Services().Startup().at("identities")[1].at("client_id").get<std::string>();
  auto const result = Ask(Query + ("&client_id=" + id), {"-H", "Metadata: true"}, "/metadata/identity/oauth2/token/");
  EXPECT_THAT(result.Output, AllOf(HasSubstr("HTTP/1.1 200 OK"), HasSubstr(id)));
}

TEST_F(GatewayMetadataService, SaysWhyThereIsNoTokenWhereProgramsExpectIt) {
  auto const result = Ask(Query + std::string{"&client_id=00000000-0000-0000-0000-000000000000"});
  EXPECT_THAT(
      result.Output, AllOf(HasSubstr("HTTP/1.1 400"), HasSubstr("x-mtlspop-error: "), HasSubstr("error_description")));
}

TEST_F(GatewayMetadataService, HasNoHandleForAResourceWhoseHostsAreNotOnTheList) {
  auto const result = Ask("api-version=2018-02-01&resource=https://database.windows.net/");
  EXPECT_THAT(result.Output, AllOf(HasSubstr("HTTP/1.1 400"), HasSubstr("x-mtlspop-error: resource_not_on_the_list")));
  // Its SDKs call graph.microsoft.com, where the gateway does not answer: they would hand the handle over there.
  EXPECT_THAT(
      Ask("api-version=2018-02-01&resource=https://graph.microsoft.com").Output, HasSubstr("resource_not_on_the_list"));
}

TEST_F(GatewayMetadataService, SaysThatItHasNoOtherVersion) {
  auto const result = Ask("cred-api-version=2.0", {"-H", "Metadata: true"}, "/metadata/identity/getplatformmetadata");
  EXPECT_THAT(result.Output, HasSubstr("HTTP/1.1 404"));
}

TEST_F(AttackGatewayMetadataService, WantsTheHeaderThatNoPageCanSend) {
  for (auto const& arguments : std::vector<std::vector<std::string>>{
           {}, {"-H", "Metadata: false"}, {"-H", "Metadata: true", "-H", "Metadata: true"}}) {
    EXPECT_THAT(Ask(Query, arguments).Output, AllOf(HasSubstr("HTTP/1.1 400"), Not(HasSubstr("access_token"))));
  }
}

// It has no secret to ask for: what a bearer token or a handle is given to is a program of this user.
TEST_F(AttackGatewayMetadataService, GivesNothingToAnotherUsersPrograms) {
  if (::geteuid() != 0 || !IsProgram("/usr/sbin/runuser")) GTEST_SKIP() << "needs root, to be somebody else";
  auto const url = Variable("AZURE_POD_IDENTITY_AUTHORITY_HOST") + "/metadata/identity/oauth2/token?" + Query;
  auto const stranger =
      RunProgram({"/usr/sbin/runuser", "-u", "nobody", "--", "/usr/bin/curl", "-sS", "-H", "Metadata: true", url}, {});
  EXPECT_NE(stranger.Status, 0);
  EXPECT_EQ(stranger.Output, "");
  EXPECT_EQ(Services().Log("imds").size(), 0U) << "nobody was asked for a token";
  auto const proxy = RunProgram(
      {"/usr/sbin/runuser", "-u", "nobody", "--", "/usr/bin/curl", "-sS", "-x", Variable("HTTPS_PROXY"), VaultUrl()},
      {});
  EXPECT_NE(proxy.Status, 0);
  EXPECT_THAT(Ask(Query).Output, HasSubstr("HTTP/1.1 200 OK"));
}

TEST_F(AttackGatewayMetadataService, AnswersToItsOwnAddressAlone) {
  for (auto const* const host :
       {"Host: evil.example", "Host: 169.254.169.254", "Host: 127.0.0.1", "Host: 127.0.0.1:1"}) {
    EXPECT_THAT(
        Ask(Query, {"-H", "Metadata: true", "-H", host}).Output,
        AllOf(HasSubstr("HTTP/1.1 403"), HasSubstr("host_mismatch")));
  }
}

TEST_F(AttackGatewayMetadataService, RefusesPagesAndProxiesAndWrites) {
  EXPECT_THAT(
      Ask(Query, {"-H", "Metadata: true", "-H", "Origin: https://evil.example"}).Output, HasSubstr("HTTP/1.1 403"));
  EXPECT_THAT(
      Ask(Query, {"-H", "Metadata: true", "-H", "X-Forwarded-For: 10.0.0.1"}).Output, HasSubstr("HTTP/1.1 403"));
  EXPECT_THAT(Ask(Query, {"-H", "Metadata: true", "-X", "POST"}).Output, HasSubstr("HTTP/1.1 405"));
  EXPECT_THAT(
      Ask(Query, {"-H", "Metadata: true", "-X", "OPTIONS"}).Output,
      AllOf(HasSubstr("HTTP/1.1 405"), Not(HasSubstr("Access-Control"))));
}

TEST_F(AttackGatewayMetadataService, RefusesQueriesThatCanBeReadInTwoWays) {
  for (auto const* const query :
       {"api-version=2018-02-01&resource=https://vault.azure.net&resource=https://storage.azure.com",
        "api-version=2018-02-01&resource=https://vault.azure.net&client_id=a&object_id=b",
        "api-version=2018-02-01&resource=https://vault.azure.net%0d%0a", "api-version=2018-02-01&resource=%zz",
        "api-version=2018-02-01", "api-version=2018-02-01&resource=",
        "api-version=1999-01-01&resource=https://vault.azure.net", "resource=https://vault.azure.net"}) {
    EXPECT_THAT(Ask(query).Output, AllOf(HasSubstr("HTTP/1.1 400"), Not(HasSubstr("access_token")))) << query;
  }
}

}  // namespace
}  // namespace mtlspop::test
