// HAProxy with required client certificates.

#include <gmock/gmock.h>

#include "support/haproxy_server.hpp"
#include "transport_test.hpp"

namespace mtlspop::test {
namespace {

class HaproxyTest : public testing::Test {
 protected:
  ScriptedServer backend_{ServeEcho};
  HaproxyServer server_{LoopbackCertificate(), Authority().CertificatePath(), backend_.Port()};
  Binding const alice_ = NewBinding("alice");
};

TEST_F(HaproxyTest, SeesTheCertificate) {
  auto const transport = MakeTransport();
  EXPECT_EQ(Fetch(transport, Get(server_.Url("/facts")), alice_).Body, alice_->Sha1Thumbprint() + "|TLSv1.2|0");
  EXPECT_TRUE(Fetch(transport, Get(server_.Url("/facts")), alice_).Connection.Reused);
}

TEST_F(HaproxyTest, SeesItUnderTls13) {
  auto const transport = MakeTransport(AllowTls13(TrustingOptions(), server_.Url("/")));
  EXPECT_EQ(Fetch(transport, Get(server_.Url("/facts")), alice_).Body, alice_->Sha1Thumbprint() + "|TLSv1.3|0");
}

TEST_F(HaproxyTest, ResumesWithinABindingOnly) {
  auto options = TrustingOptions();
  options.Pool.MaximumTotal = 1;
  auto const transport = MakeTransport(options);
  auto const bob = NewBinding("bob");
  for (int round = 0; round < 3; ++round) {
    for (auto const& binding : {alice_, bob}) {
      EXPECT_EQ(
          Fetch(transport, Get(server_.Url("/facts")), binding).Body,
          binding->Sha1Thumbprint() + "|TLSv1.2|" + (round > 0 ? "1" : "0"));
    }
  }
}

TEST_F(HaproxyTest, ClosesOnWhoeverHasNone) {
  EXPECT_NE(ErrorCodeOf([&] { Fetch(MakeTransport(), Get(server_.Url("/facts"))); }), "no error");
}

TEST_F(HaproxyTest, RejectsACertificateOfAnotherAuthority) {
  TestCertificateAuthority stranger{"stranger"};
  auto const mallory = ToBinding(stranger.IssueForClient("mallory"));
  EXPECT_EQ(
      ErrorCodeOf([&] { Fetch(MakeTransport(), Get(server_.Url("/facts")), mallory); }),
      "binding_certificate_rejected");
  auto const transport = MakeTransport(AllowTls13(TrustingOptions(), server_.Url("/")));
  EXPECT_EQ(
      ErrorCodeOf([&] { Fetch(transport, Get(server_.Url("/facts")), mallory); }), "binding_certificate_rejected");
}

TEST_F(HaproxyTest, PassesBodiesOn) {
  auto const transport = MakeTransport();
  auto const body = Pattern(2 * 1024 * 1024);
  EXPECT_TRUE(Fetch(transport, Post(server_.Url("/echo"), body), alice_).Body == body);
  Request request{"PUT", Url::Parse(server_.Url("/echo"))};
  request.Body = std::make_shared<GeneratedBody>(body.size(), std::nullopt);
  EXPECT_TRUE(Fetch(transport, std::move(request), alice_).Body == body);
}

TEST_F(HaproxyTest, AnswersOfItsOwn) {
  auto const transport = MakeTransport();
  EXPECT_EQ(Fetch(transport, Get(server_.Url("/status/204")), alice_).Status, 204);
  EXPECT_EQ(Fetch(transport, Get(server_.Url("/status/403")), alice_).Body, "no");
  EXPECT_EQ(Fetch(transport, Get(server_.Url("/status/503")), alice_).Status, 503);
}

}  // namespace
}  // namespace mtlspop::test
