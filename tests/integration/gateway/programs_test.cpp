#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "gateway/gateway_fixture.hpp"

namespace mtlspop::test {
namespace {

using testing::HasSubstr;

// Programs whose SDKs nobody here wrote, with not a line about the gateway in them.
class GatewayPrograms : public GatewayTest {
 protected:
  explicit GatewayPrograms(std::string secret = "boundsecret=read-by-an-unchanged-program")
      : GatewayTest({"--secret", std::move(secret)}) {}

  static std::string Source(std::string const& name) { return MTLSPOP_GATEWAY_PROGRAMS + ("/" + name); }
  std::string Vault() const { return VaultUrl(""); }
  // Every request to the vault that was let in came with a bound token over its own certificate, and the only others are
  // those that asked for the challenge.
  void ExpectBound() {
    int letIn = 0;
    for (auto const& entry : Services().Log("vault")) {
      if (entry.at("status").get<int>() >= 300) continue;
      ++letIn;
      EXPECT_THAT(entry.dump(), HasSubstr("mtls_pop"));
    }
    EXPECT_GT(letIn, 0);
    ExpectThiefRefused();
  }

 private:
  // What the program held is the handle that whoever asks is given again. The thief has it, and no gateway.
  void ExpectThiefRefused() {
    Request request{"GET", Url::Parse(VaultUrl())};
    request.Fields.Set("Authorization", "Bearer " + HandleFor());
    EXPECT_EQ(Services().Transport()->Send(request, nullptr, {})->StatusCode, 401);
  }
};

TEST_F(GatewayPrograms, PythonsSdkReadsASecretBound) {
  constexpr char const* Python = "/usr/bin/python3";
  if (!IsProgram(Python) ||
      RunProgram({Python, "-c", "import azure.keyvault.secrets, azure.identity"}, {}).Status != 0) {
    GTEST_SKIP() << "Python's Azure SDK is not installed (Debian: python3-azure)";
  }
  auto const result = RunProgram({Python, Source("read_secret.py"), Vault(), "boundsecret"}, Environment());
  EXPECT_EQ(result.Status, 0) << result.Errors;
  EXPECT_EQ(result.Output, "read-by-an-unchanged-program\n");
  ExpectBound();
}

#ifdef MTLSPOP_READ_SECRET_CPPREST
TEST_F(GatewayPrograms, CpprestsdkReadsASecretBound) {
  auto const result = RunProgram({MTLSPOP_READ_SECRET_CPPREST, Vault(), "boundsecret"}, Environment());
  EXPECT_EQ(result.Status, 0) << result.Errors;
  EXPECT_EQ(result.Output, "read-by-an-unchanged-program\n");
  ExpectBound();
}
#endif

#ifdef MTLSPOP_READ_SECRET_AZURE
TEST_F(GatewayPrograms, AzuresSdkForCppReadsASecretBound) {
  auto const result = RunProgram({MTLSPOP_READ_SECRET_AZURE, Vault(), "boundsecret"}, Environment());
  EXPECT_EQ(result.Status, 0) << result.Errors;
  EXPECT_EQ(result.Output, "read-by-an-unchanged-program\n");
  ExpectBound();
}
#endif

TEST_F(GatewayPrograms, CurlReadsASecretBound) {
  auto const result = Curl({"-f", "-H", "Authorization: Bearer " + HandleFor(), VaultUrl()});
  EXPECT_EQ(result.Status, 0) << result.Errors;
  EXPECT_THAT(result.Output, HasSubstr("read-by-an-unchanged-program"));
  ExpectBound();
}

TEST_F(GatewayPrograms, NodesSdkReadsASecretAndABlobBound) {
  constexpr char const* Node = "/usr/bin/node";
  auto const* const named = std::getenv("MTLSPOP_NODE_MODULES");
  std::string const modules = named != nullptr ? named : MTLSPOP_NODE_MODULES;
  if (!IsProgram(Node) || !std::filesystem::exists(modules + "/@azure/storage-blob")) {
    GTEST_SKIP() << "no Node, or no @azure/identity, @azure/keyvault-secrets and @azure/storage-blob in " << modules
                 << ": ./dev demo node installs them there; MTLSPOP_NODE_MODULES names another folder";
  }
  auto environment = Environment();
  environment["NODE_PATH"] = modules;
  auto const account = BlobUrl("");
  auto const result = RunProgram({Node, Source("read_secret.js"), Vault(), "boundsecret", account}, environment);
  EXPECT_EQ(result.Status, 0) << result.Errors;
  EXPECT_EQ(result.Output, "read-by-an-unchanged-program\nhello from node\n");
  ExpectBound();
}

}  // namespace
}  // namespace mtlspop::test
