// Section 2 of the wire contract: what an answer of IMDS must say beyond being there, and what is shown of one that does not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_cloud.hpp"
#include "mtlspop/credential/errors.hpp"
#include "support/error_code_of.hpp"

namespace mtlspop::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;

/// Changes what comes back from issuecredential.
void ChangeIssued(FakeCloud& cloud, json const& changes) {
  cloud.Intercept = [&cloud, changes](Arrived const& arrived) -> std::optional<Answer> {
    if (arrived.Path.find("issuecredential") == std::string::npos) return std::nullopt;
    auto answer = cloud.IssueAnswer(arrived.Body);
    answer.update(changes);
    return JsonAnswer(answer);
  };
}

void AnswerAll(FakeCloud& cloud, std::string const& path, Answer answer) {
  cloud.Intercept = [path, answer](Arrived const& arrived) -> std::optional<Answer> {
    if (IsProbe(arrived) || arrived.Path.find(path) == std::string::npos) return std::nullopt;
    return answer;
  };
}

TEST(AttackImds, IssuedCredentialMustBeForWhomItWasAskedFor) {
  struct Row {
    ManagedIdentityId Id;
    json Changes;
    bool IsGood;
  };
  auto const user = ManagedIdentityId::FromClientId("abc");
  for (auto const& row :
       {Row{{}, {{"client_id", "somebody-else"}}, false}, Row{{}, {{"tenant_id", "elsewhere"}}, false},
        Row{user, {{"identity_type", "SystemAssigned"}}, false}, Row{user, {{"identity_type", "userassigned"}}, true},
        Row{{}, {{"identity_type", "Robot"}}, false},
        // The machine's only identity, where it has none of its own.
        Row{{}, {{"identity_type", "UserAssigned"}}, true}}) {
    ManagedIdentityWorld world;
    world.Options.Identity = row.Id;
    ChangeIssued(*world.Cloud, row.Changes);
    if (row.IsGood) {
      EXPECT_EQ(world.Get().Type, TokenType::MtlsPop) << row.Changes;
      continue;
    }
    auto const error = ErrorOf([&] { world.Get(); });
    ASSERT_TRUE(error) << row.Changes;
    EXPECT_EQ(error->Code(), errors::ImdsResponseMalformed);
    EXPECT_THAT(error->what(), HasSubstr(row.Changes.begin().key()));
    EXPECT_EQ(world.Cloud->Count("/token"), 0);
  }
}

TEST(AttackImds, EndpointsThatCouldBeReadInTwoWaysAreRefused) {
  for (std::string const endpoint :
       {"http://region.mtlsauth.microsoft.com", "https://user@region.mtlsauth.microsoft.com",
        "https://region.mtlsauth.microsoft.com\\@evil.example", "https://region.mtlsauth.microsoft.com?x=1",
        "https://region.mtlsauth.microsoft.com#x", "https://region.mtlsauth.microsoft.com /", "region", "https://"}) {
    for (std::string const field : {"mtls_authentication_endpoint", "token_endpoint"}) {
      ManagedIdentityWorld world;
      ChangeIssued(*world.Cloud, {{field, endpoint}});
      auto const error = ErrorOf([&] { world.Get(); });
      ASSERT_TRUE(error) << field << " " << endpoint;
      EXPECT_EQ(error->Code(), errors::ImdsResponseMalformed);
      EXPECT_THAT(error->what(), HasSubstr(field));
      EXPECT_EQ(world.Cloud->Count("/token"), 0);
    }
    ManagedIdentityWorld world;
    auto metadata = world.Cloud->MetadataAnswer();
    metadata["attestationEndpoint"] = endpoint;
    AnswerAll(*world.Cloud, "getplatformmetadata", JsonAnswer(metadata));
    EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), "imds_response_malformed") << endpoint;
  }
  for (std::string const path : {"/a/../b", "/a/%2e%2E/b", "/./a", "/a/.."}) {
    ManagedIdentityWorld world;
    ChangeIssued(*world.Cloud, {{"token_endpoint", "https://region.mtlsauth.microsoft.com" + path}});
    EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), "imds_response_malformed") << path;
  }
}

/// It becomes a part of the token endpoint's path.
TEST(AttackImds, TenantThatIsNoneIsRefused) {
  for (std::string const tenant : {"..", ".", "a/b", "a b", "common", "Organizations"}) {
    ManagedIdentityWorld world;
    auto metadata = world.Cloud->MetadataAnswer();
    metadata["tenantId"] = tenant;
    AnswerAll(*world.Cloud, "getplatformmetadata", JsonAnswer(metadata));
    EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), "imds_response_malformed") << tenant;
    EXPECT_EQ(world.Cloud->Count("/token"), 0);
  }
}

TEST(AttackImds, OnlyTheOriginOfTheMtlsEndpointIsTaken) {
  ManagedIdentityWorld world;
  ChangeIssued(
      *world.Cloud, {{"mtls_authentication_endpoint", "HTTPS://Region.mtlsauth.microsoft.com:8443/other/path/"}});
  world.Get();
  auto const arrived = world.Cloud->All("/oauth2/v2.0/token").at(0);
  EXPECT_EQ(arrived.Host, "region.mtlsauth.microsoft.com");
  EXPECT_EQ(arrived.Path, "/" + FakeCloud::TenantId + "/oauth2/v2.0/token");
}

TEST(AttackImds, RedirectIsNotFollowed) {
  for (std::string const path : {"getplatformmetadata", "issuecredential"}) {
    for (int const status : {301, 302, 307, 308}) {
      ManagedIdentityWorld world;
      AnswerAll(*world.Cloud, path, {status, "", {{"Location", "http://elsewhere.example/"}, {"Server", "IMDS/1"}}});
      EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), "imds_refused") << path << " " << status;
      EXPECT_EQ(world.Cloud->Count(path), 1);
    }
  }
}

/// What people need to see of an answer that is none of IMDS'.
TEST(AttackImds, FirstLineOfAnAnswerThatIsNoneIsShown) {
  std::string const nginx =
      "<html>\r\n<head><title>400 No required SSL certificate was sent</title></head>\r\n<body>...</body></html>";
  struct Row {
    Answer Said;
    std::string Code;
    std::string Shows;
  };
  for (auto const& row :
       {Row{{400, nginx, {{"Server", "nginx"}}}, "not_imds", "400 No required SSL certificate was sent"},
        Row{{400, "\n  The proxy says no\nmore", {}}, "not_imds", "The proxy says no"},
        Row{JsonAnswer({{"error", {{"code", "Forbidden"}, {"message", "Not you"}}}}, 401), "imds_refused",
            "Forbidden, Not you"},
        Row{JsonAnswer({{"title", "Not here"}, {"detail", "Look elsewhere"}}, 401), "imds_refused", "Look elsewhere"},
        // A secret that stands where the line is cut.
        Row{{401, std::string(280, '.') + " " + std::string(400, 'S'), {{"Server", "IMDS"}}},
            "imds_refused",
            "[redacted]"},
        Row{{401, "password=hunter2", {{"Server", "IMDS"}}}, "imds_refused", "[redacted]"}}) {
    ManagedIdentityWorld world;
    AnswerAll(*world.Cloud, "getplatformmetadata", row.Said);
    auto const error = ErrorOf([&] { world.Get(); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->Code().Name(), row.Code) << row.Said.Body;
    EXPECT_THAT(error->what(), HasSubstr(row.Shows));
    EXPECT_THAT(error->what(), testing::Not(HasSubstr("hunter2")));
  }
}

/// RFC 3629 section 3: a letter of two bytes stands where the line is cut.
TEST(AttackImds, LongLineIsCutBetweenLetters) {
  std::string line = "a";
  while (line.size() < 1000) line += "\xC3\xA4";
  ManagedIdentityWorld world;
  AnswerAll(*world.Cloud, "getplatformmetadata", {401, line, {{"Server", "IMDS"}}});
  auto const error = ErrorOf([&] { world.Get(); });
  ASSERT_TRUE(error);
  std::string const text = error->what();
  EXPECT_THAT(text, HasSubstr(line.substr(0, 299)));
  EXPECT_THAT(text, testing::Not(HasSubstr(line.substr(0, 301))));
  EXPECT_THAT(text, testing::Not(HasSubstr("\xEF\xBF\xBD"))) << "a half letter was replaced";
}

TEST(AttackImds, ExpiryThatIsADateIsShown) {
  ManagedIdentityWorld world;
  world.Options.Binding = TokenBinding::None;
  AnswerAll(
      *world.Cloud, "oauth2/token",
      JsonAnswer({{"access_token", "opaque"}, {"expires_on", "11/28/2026 19:00:00 +00:00"}}));
  auto const error = ErrorOf([&] { world.Get(); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Code(), errors::ImdsResponseMalformed);
  EXPECT_THAT(error->what(), HasSubstr("expires_on is no number of seconds: 11/28/2026 19:00:00 +00:00"));
}

/// No descriptors left is no reason to doubt that this is a virtual machine of Azure, nor that the service lives.
/// Nor is a pool that the application's other requests fill.
TEST(AttackImds, WhatThisMachineLacksIsNotBlamedOnTheService) {
  for (auto const code :
       {errors::SystemFailure, errors::PoolExhausted, errors::PoolQueueFull, errors::TrustStoreUnusable}) {
    for (char const* const path : {"probe", "getplatformmetadata", "/oauth2/v2.0/token"}) {
      ManagedIdentityWorld world;
      world.Options.Binding = TokenBinding::Preferred;
      world.Cloud->Intercept = [&](Arrived const& arrived) -> std::optional<Answer> {
        bool const isMeant =
            IsProbe(arrived) ? std::string_view{path} == "probe" : arrived.Path.find(path) != std::string::npos;
        if (isMeant) throw Error{{code, "There are no descriptors left", "Raise the limit"}};
        return std::nullopt;
      };
      auto const error = ErrorOf([&] { world.Get(); });
      ASSERT_TRUE(error) << code.Name() << path;
      EXPECT_EQ(error->Code(), code) << path;
      EXPECT_THAT(error->what(), HasSubstr("no descriptors left"));
      world.Cloud->Intercept = nullptr;
      EXPECT_EQ(world.Get().Type, TokenType::MtlsPop) << "nothing is remembered of it";
    }
  }
}

TEST(AttackImds, ACertificateThatIsNotTrustedIsToldAsSuch) {
  ManagedIdentityWorld world;
  world.Cloud->Intercept = [](Arrived const& arrived) -> std::optional<Answer> {
    if (IsProbe(arrived)) throw Error{{errors::ServerCertificateRejected, "it is self-signed", "Name its authority"}};
    return std::nullopt;
  };
  auto const error = ErrorOf([&] { world.Get(); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Code(), errors::ImdsNotReachable);
  EXPECT_THAT(error->what(), testing::AllOf(HasSubstr("self-signed"), HasSubstr("Name its authority")));
}

}  // namespace
}  // namespace mtlspop::test
