// Apache httpd asks for the certificate once it knows the path, as Key Vault does: by renegotiation under TLS 1.2, by
// post-handshake authentication under TLS 1.3.

#include <gmock/gmock.h>

#include "support/apache_server.hpp"
#include "transport_test.hpp"

namespace mtlspop::test {
namespace {

constexpr std::size_t Mebibyte = 1024 * 1024;

class ApacheTest : public testing::TestWithParam<ApacheTls> {
 protected:
  void TearDown() override {
    if (HasFailure()) RecordProperty("error_log", server_.ErrorLog());
  }

  Transport MakeApacheTransport() const { return MakeTransport(AllowTls13(TrustingOptions(), server_.Url("/"))); }

  ApacheServer server_{GetParam(), LoopbackCertificate(), Authority().CertificatePath()};
  Binding const alice_ = NewBinding("alice");
};

TEST_P(ApacheTest, GetIsAskedForTheCertificate) {
  auto const transport = MakeApacheTransport();
  auto const fetched = Fetch(transport, Get(server_.Url("/bound/index")), alice_);
  EXPECT_EQ(fetched.Status, 200);
  EXPECT_EQ(fetched.Body, "bound");
  EXPECT_EQ(fetched.Fields.Get("X-Client-Subject"), "CN=alice");
  EXPECT_EQ(fetched.Connection.TlsVersion, GetParam() == ApacheTls::Tls12 ? "TLSv1.2" : "TLSv1.3");
}

/// The first request needs no certificate, the second on the same connection does.
TEST_P(ApacheTest, AConnectionThatIsOpenIsAskedToo) {
  auto const transport = MakeApacheTransport();
  auto const open = Fetch(transport, Get(server_.Url("/open/index")), alice_);
  EXPECT_EQ(open.Body, "open");
  EXPECT_EQ(open.Fields.Get("X-Client-Subject"), "(null)");
  auto const bound = Fetch(transport, Get(server_.Url("/bound/index")), alice_);
  EXPECT_EQ(bound.Body, "bound");
  EXPECT_TRUE(bound.Connection.Reused);
  for (int round = 0; round < 3; ++round) {
    auto const again = Fetch(transport, Get(server_.Url("/bound/index")), alice_);
    EXPECT_EQ(again.Fields.Get("X-Client-Subject"), "CN=alice");
    EXPECT_TRUE(again.Connection.Reused);
  }
}

TEST_P(ApacheTest, OneMebibytePost) {
  auto const body = Pattern(Mebibyte);
  auto const fetched = Fetch(MakeApacheTransport(), Post(server_.Url("/bound/echo"), body), alice_);
  EXPECT_EQ(fetched.Status, 200);
  EXPECT_TRUE(fetched.Body == body);
}

TEST_P(ApacheTest, OneMebibytePostInChunks) {
  Request request{"POST", Url::Parse(server_.Url("/bound/echo"))};
  request.Body = std::make_shared<GeneratedBody>(Mebibyte, std::nullopt);
  auto const fetched = Fetch(MakeApacheTransport(), std::move(request), alice_);
  EXPECT_EQ(fetched.Status, 200);
  EXPECT_TRUE(fetched.Body == Pattern(Mebibyte));
}

TEST_P(ApacheTest, OneMebibytePostThatExpectsToContinue) {
  auto options = AllowTls13(TrustingOptions(), server_.Url("/"));
  options.ContinueTimeout = Event::Patience;
  auto const body = Pattern(Mebibyte);
  auto request = Post(server_.Url("/bound/echo"), body);
  request.ExpectContinue = true;
  auto const fetched = Fetch(MakeTransport(options), std::move(request), alice_);
  EXPECT_EQ(fetched.Status, 200);
  EXPECT_TRUE(fetched.Body == body);
}

TEST_P(ApacheTest, PostsOnOneConnection) {
  auto const transport = MakeApacheTransport();
  for (int round = 0; round < 5; ++round) {
    auto const body = Pattern(1000U << static_cast<unsigned>(round));
    auto const fetched = Fetch(transport, Post(server_.Url("/bound/echo"), body), alice_);
    EXPECT_TRUE(fetched.Body == body);
    EXPECT_EQ(fetched.Connection.Reused, round > 0);
  }
}

TEST_P(ApacheTest, EachBindingIsItself) {
  auto const transport = MakeApacheTransport();
  auto const bob = ToBinding(Authority().IssueForClient("bob", KeyKind::Rsa2048));
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(Fetch(transport, Get(server_.Url("/bound/index")), alice_).Fields.Get("X-Client-Subject"), "CN=alice");
    EXPECT_EQ(Fetch(transport, Get(server_.Url("/bound/index")), bob).Fields.Get("X-Client-Subject"), "CN=bob");
  }
  EXPECT_EQ(transport->PoolStatistics().Opened, 2U);
}

/// Without a certificate Apache ends the connection in the middle of the renegotiation; under TLS 1.3 it answers.
TEST_P(ApacheTest, WithoutABindingTheLocationIsClosed) {
  auto const transport = MakeApacheTransport();
  EXPECT_EQ(Fetch(transport, Get(server_.Url("/open/index"))).Body, "open");
  int status = 0;
  auto const code = ErrorCodeOf([&] { status = Fetch(transport, Get(server_.Url("/bound/index"))).Status; });
  EXPECT_TRUE(code != "no error" || status == 403) << code << ' ' << status;
}

TEST_P(ApacheTest, ACertificateOfAnotherAuthorityIsRejected) {
  TestCertificateAuthority stranger{"stranger"};
  auto const mallory = ToBinding(stranger.IssueForClient("mallory"));
  EXPECT_EQ(
      ErrorCodeOf([&] { Fetch(MakeApacheTransport(), Get(server_.Url("/bound/index")), mallory); }),
      "binding_certificate_rejected");
}

TEST_P(ApacheTest, HeadAndNotModified) {
  auto const transport = MakeApacheTransport();
  auto const head = Fetch(transport, Request{"HEAD", Url::Parse(server_.Url("/bound/index"))}, alice_);
  EXPECT_EQ(head.Status, 200);
  EXPECT_EQ(head.Fields.Get("Content-Length"), "5");
  EXPECT_EQ(head.Body, "");
  auto request = Get(server_.Url("/bound/index"));
  request.Fields.Set("If-None-Match", "*");
  EXPECT_EQ(Fetch(transport, std::move(request), alice_).Status, 304);
  EXPECT_EQ(transport->PoolStatistics().Opened, 1U);
}

INSTANTIATE_TEST_SUITE_P(
    Versions, ApacheTest, testing::Values(ApacheTls::Tls12, ApacheTls::Tls13), [](auto const& tls) {
      return tls.param == ApacheTls::Tls12 ? "Tls12" : "Tls13";
    });

}  // namespace
}  // namespace mtlspop::test
