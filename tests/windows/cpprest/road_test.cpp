// The whole road with a client of cpprestsdk, wide strings and WinHTTP included, against the emulator.

// Before cpprestsdk, whose macro U is a name that GoogleTest uses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cpprest/http_client.h>

#include "container_keys.hpp"
#include "emulator.hpp"
#include "mtlspop/cpprest/handler.hpp"
#include "mtlspop/credential/managed_identity_credential.hpp"

namespace mtlspop::windows_tests {
namespace {

using testing::StartsWith;
using utility::conversions::to_string_t;
using utility::conversions::to_utf8string;
using web::http::methods;

class CpprestRoadTest : public testing::Test {
 protected:
  web::http::client::http_client MakeVaultClient() const {
    ManagedIdentityCredentialOptions identity;
    identity.ImdsEndpoint = emulator_.Endpoint("imds");
    identity.Keys = MakeContainerKeyProvider();
    identity.Transport = transport_;
    cpprest::HandlerOptions options;
    options.Transport = transport_;
    return cpprest::MakeClient(
        to_string_t("https://" + emulator_.Endpoint("vault_host")),
        std::make_shared<ManagedIdentityCredential>(identity), {}, options);
  }

  Emulator emulator_;
  std::shared_ptr<HttpTransport> transport_ = emulator_.MakeTransport().get();
};

TEST_F(CpprestRoadTest, ABoundTokenReadsTheSecretOnItsOwnCertificatesConnection) {
  auto client = MakeVaultClient();
  auto const answer = client.request(methods::GET, U("/secrets/boundsecret?api-version=7.4")).get();
  ASSERT_EQ(answer.status_code(), 200);
  EXPECT_THAT(to_utf8string(answer.extract_json().get().at(U("value")).as_string()), StartsWith("bound-"));
  auto const last = emulator_.Log("vault").back();
  EXPECT_EQ(last.at("status"), 200);
  EXPECT_EQ(last.at("x5t_s256"), last.at("token_x5t_s256"));
}

TEST_F(CpprestRoadTest, AnswersThatWereRefusedAreAnswers) {
  auto client = MakeVaultClient();
  auto const answer = client.request(methods::GET, U("/secrets/no-such-secret?api-version=7.4")).get();
  EXPECT_EQ(answer.status_code(), 404);
}

TEST_F(CpprestRoadTest, ManyContinuationsMayWaitForFurtherRequests) {
  auto client = MakeVaultClient();
  std::vector<pplx::task<int>> tasks;
  for (int i = 0; i < 60; ++i) {
    tasks.push_back(
        client.request(methods::GET, U("/secrets/boundsecret?api-version=7.4"))
            .then([client](web::http::http_response const& /*first*/) mutable {
              return static_cast<int>(
                  client.request(methods::GET, U("/secrets/boundsecret?api-version=7.4")).get().status_code());
            }));
  }
  for (auto const& task : tasks) EXPECT_EQ(task.get(), 200);
}

}  // namespace
}  // namespace mtlspop::windows_tests
