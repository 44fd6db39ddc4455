#include "mtlspop/policies/client.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fakes.hpp"
#include "support/error_code_of.hpp"

namespace mtlspop {
namespace {

using namespace mtlspop::test;

class ClientTest : public testing::Test {
 protected:
  ClientOptions Options() const {
    ClientOptions options;
    options.Scopes = {"https://vault.azure.net/.default"};
    options.Transport = transport_;
    return options;
  }

  static constexpr char const* SecretUrl = "https://myvault.vault.azure.net/secrets/a";

  std::shared_ptr<ScriptedTransport> transport_ = std::make_shared<ScriptedTransport>();
  std::shared_ptr<FakeCredential> credential_ = std::make_shared<FakeCredential>();
};

TEST_F(ClientTest, GetsATextInOneLine) {
  transport_->ThenAnswer(200, "Content-Type", "application/json", R"({"value":"x"})");
  EXPECT_EQ(Client(credential_, Options()).Get(SecretUrl).Text, R"({"value":"x"})");
  auto const sent = transport_->Sent().at(0);
  EXPECT_EQ(sent.Method, "GET");
  EXPECT_EQ(sent.Fields.Get("Authorization"), "mtls_pop bound-token");
  EXPECT_TRUE(sent.Binding);
}

TEST_F(ClientTest, SendsATextOfAnyKind) {
  Client const client{credential_, Options()};
  client.Put(SecretUrl, "<a/>", "application/xml");
  client.Post(SecretUrl, "plain", "");
  client.Delete(SecretUrl);
  auto const sent = transport_->Sent();
  EXPECT_EQ(sent.at(0).Method, "PUT");
  EXPECT_EQ(sent.at(0).Body, "<a/>");
  EXPECT_EQ(sent.at(0).Fields.Get("Content-Type"), "application/xml");
  EXPECT_EQ(sent.at(1).Method, "POST");
  EXPECT_FALSE(sent.at(1).Fields.Contains("Content-Type"));
  EXPECT_EQ(sent.at(2).Method, "DELETE");
}

TEST_F(ClientTest, ReturnsEveryStatusAsAnAnswer) {
  transport_->ThenAnswer(404, "Reason", "none", "no such secret");
  auto const answer = Client{credential_, Options()}.Get(SecretUrl);
  EXPECT_EQ(answer.Status, 404);
  EXPECT_EQ(answer.Fields.Get("Reason"), "none");
  EXPECT_EQ(answer.Text, "no such secret");
}

TEST_F(ClientTest, GivesUpAfterItsTimeout) {
  transport_->ThenAnswer(429, "Retry-After", "60", "later");
  EXPECT_EQ((Client{credential_, Options()}.Get(SecretUrl, std::chrono::seconds{30}).Status), 429);
}

/// Where it is no limit, there is time for another attempt.
TEST_F(ClientTest, TakesTheLongestTimeoutForNone) {
  transport_->ThenAnswer(503, "Retry-After", "0", "later");
  EXPECT_EQ((Client{credential_, Options()}.Get(SecretUrl, std::chrono::milliseconds::max()).Status), 200);
}

TEST_F(ClientTest, ReadsNoMoreThanItMay) {
  auto options = Options();
  options.BufferedBodyBytes = 3;
  transport_->ThenAnswer(200, "four");
  EXPECT_EQ(
      ErrorCodeOf([&] { Client(credential_, options).Get(SecretUrl); }), errors::BufferedBodyLimitExceeded.Name());
}

TEST_F(ClientTest, RefusesWhatItCannotUse) {
  EXPECT_EQ(ErrorCodeOf([&] { Client{nullptr, Options()}; }), errors::InvalidArgument.Name());
  EXPECT_EQ(ErrorCodeOf([&] { Client(credential_, Options()).Get("no url"); }), errors::InvalidArgument.Name());
}

}  // namespace
}  // namespace mtlspop
