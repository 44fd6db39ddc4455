// Being asked for the certificate after the first handshake: by renegotiation in TLS 1.2 (RFC 5746), by post-handshake
// authentication in TLS 1.3 (RFC 8446 section 4.6.2).

#include <gmock/gmock.h>

#include <thread>

#include "mtlspop/transport/openssl.hpp"
#include "transport_test.hpp"

namespace mtlspop::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class AskedLaterTest : public testing::TestWithParam<int> {
 protected:
  static ScriptedServerOptions Server() { return TlsServer(GetParam(), GetParam()); }
  static Transport TransportFor(ScriptedServer const& server) {
    return MakeTransport(AllowTls13(TrustingOptions(), server.Url()));
  }

  Binding const binding_ = NewBinding();
};

std::string VersionName(testing::TestParamInfo<int> const& info) {
  return info.param == TLS1_2_VERSION ? "Renegotiation" : "PostHandshake";
}

TEST_P(AskedLaterTest, BeforeTheAnswer) {
  ScriptedServer server{Server(), ServeX5tS256};
  auto const transport = TransportFor(server);
  auto const first = Fetch(transport, Get(server.Url()), binding_);
  EXPECT_EQ(first.Body, binding_->X5tS256());
  EXPECT_EQ(first.Connection.X5tS256, binding_->X5tS256());
  EXPECT_EQ(first.Connection.TlsVersion, GetParam() == TLS1_2_VERSION ? "TLSv1.2" : "TLSv1.3");
  EXPECT_EQ(
      first.Connection.Asked,
      GetParam() == TLS1_2_VERSION ? CertificateAsked::ByRenegotiation : CertificateAsked::AfterHandshake);
  EXPECT_TRUE(Fetch(transport, Get(server.Url()), binding_).Connection.Reused);
}

TEST_P(AskedLaterTest, TwiceDuringOneRequest) {
  ScriptedServer server{Server(), [](ScriptedConnection& connection) {
                          while (connection.TryReadRequest()) {
                            connection.AskForCertificate();
                            connection.AskForCertificate();
                            connection.Answer(200, connection.Facts().X5tS256);
                          }
                        }};
  auto const transport = TransportFor(server);
  for (int round = 0; round < 10; ++round) {
    // The limit is for one request: ten with two each are within it.
    EXPECT_EQ(Fetch(transport, Get(server.Url()), binding_).Body, binding_->X5tS256());
  }
  EXPECT_EQ(server.ConnectionCount(), 1U);
}

TEST_P(AskedLaterTest, InTheMiddleOfARequestBody) {
  constexpr std::size_t Size = 8 * 1024 * 1024;
  auto const expected = Pattern(Size);
  ScriptedServer server{Server(), [&](ScriptedConnection& connection) {
                          connection.ReadHead();
                          auto body = connection.ReadExactly(Size / 3);
                          connection.AskForCertificate();
                          body += connection.ReadExactly(Size - Size / 3);
                          connection.Answer(200, body == expected ? connection.Facts().X5tS256 : "garbled");
                        }};
  Request request{"PUT", Url::Parse(server.Url())};
  request.Body = std::make_shared<GeneratedBody>(Size, Size);
  EXPECT_EQ(Fetch(TransportFor(server), std::move(request), binding_).Body, binding_->X5tS256());
}

/// The server asks, and reads nothing until the certificate is there: a client that went on writing would wait for ever.
constexpr std::size_t LargeSize = 16 * 1024 * 1024;

TEST_P(AskedLaterTest, WhileTheSocketBuffersAreFull) {
  Event bodyUnderWay;
  class Noticing final : public BodyStream {
   public:
    explicit Noticing(Event& event) : event_(event), body_(LargeSize, LargeSize) {}
    std::size_t Read(gsl::span<std::uint8_t> buffer, Context const& context) override {
      if (body_.Given() > 1024 * 1024) event_.Set();
      return body_.Read(buffer, context);
    }
    std::optional<std::uint64_t> Length() const noexcept override { return body_.Length(); }

   private:
    Event& event_;
    GeneratedBody body_;
  };
  ScriptedServer server{Server(), [&](ScriptedConnection& connection) {
                          connection.ReadHead();
                          if (!bodyUnderWay.Wait()) return;
                          connection.AskForCertificate();
                          connection.ReadExactly(LargeSize);
                          connection.Answer(200, connection.Facts().X5tS256);
                        }};
  Request request{"PUT", Url::Parse(server.Url())};
  request.Body = std::make_shared<Noticing>(bodyUnderWay);
  EXPECT_EQ(Fetch(TransportFor(server), std::move(request), binding_).Body, binding_->X5tS256());
}

TEST_P(AskedLaterTest, BeforeTheBodyOfAnExpectContinueRequest) {
  ScriptedServer server{Server(), [](ScriptedConnection& connection) {
                          connection.ReadHead();
                          connection.AskForCertificate();
                          connection.Write("HTTP/1.1 100 Continue\r\n\r\n");
                          connection.Answer(200, connection.ReadExactly(5) + connection.Facts().X5tS256);
                        }};
  auto request = Post(server.Url(), "hello");
  request.ExpectContinue = true;
  EXPECT_EQ(Fetch(TransportFor(server), std::move(request), binding_).Body, "hello" + binding_->X5tS256());
}

TEST_P(AskedLaterTest, InTheMiddleOfTheAnswer) {
  auto const body = Pattern(1024 * 1024);
  ScriptedServer server{
      Server(), [&](ScriptedConnection& connection) {
        while (connection.TryReadRequest()) {
          connection.Write("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n");
          connection.Write(std::string_view{body}.substr(0, 300'000));
          connection.AskForCertificate();
          connection.Write(std::string_view{body}.substr(300'000));
        }
      }};
  auto const transport = TransportFor(server);
  EXPECT_TRUE(Fetch(transport, Get(server.Url()), binding_).Body == body);
  EXPECT_EQ(server.Facts(1).X5tS256, binding_->X5tS256());
  EXPECT_TRUE(Fetch(transport, Get(server.Url()), binding_).Body == body);
}

/// The server begins while nobody uses the connection. Its word waits in the socket when the next request comes.
TEST_P(AskedLaterTest, BetweenTwoRequests) {
  Event asked;
  ScriptedServer server{Server(), [&](ScriptedConnection& connection) {
                          connection.ReadRequest();
                          connection.Answer(200, "first");
                          connection.StartAskingForCertificate();
                          asked.Set();
                          connection.ReadRequest();
                          connection.AwaitCertificate();
                          connection.Answer(200, connection.Facts().X5tS256);
                        }};
  auto const transport = TransportFor(server);
  EXPECT_EQ(Fetch(transport, Get(server.Url()), binding_).Body, "first");
  ASSERT_TRUE(asked.Wait());
  auto const second = Fetch(transport, Get(server.Url()), binding_);
  EXPECT_EQ(second.Body, binding_->X5tS256());
  EXPECT_TRUE(second.Connection.Reused) << "a connection with a question in it is not dead";
  EXPECT_EQ(server.ConnectionCount(), 1U);
}

TEST_P(AskedLaterTest, WithoutEndIsCutOff) {
  Event closed;
  ScriptedServer server{Server(), [&](ScriptedConnection& connection) {
                          connection.ReadRequest();
                          try {
                            for (;;) connection.AskForCertificate();
                          } catch (PeerGone const&) {
                            closed.Set();
                          }
                        }};
  auto const transport = TransportFor(server);
  auto const error = ErrorOf([&] { Fetch(transport, Get(server.Url()), binding_); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Code().Name(), "renegotiation_limit_exceeded");
  EXPECT_THAT(error->Details().Action, HasSubstr("Renegotiations"));
  EXPECT_TRUE(closed.Wait());
  EXPECT_EQ(server.ConnectionCount(), 1U);
}

TEST_P(AskedLaterTest, TheLimitIsAnOption) {
  ScriptedServer server{Server(), [](ScriptedConnection& connection) {
                          while (connection.TryReadRequest()) {
                            for (int times = 0; times < 3; ++times) connection.AskForCertificate();
                            connection.Answer(200, "");
                          }
                        }};
  auto options = AllowTls13(TrustingOptions(), server.Url());
  options.Limits.Renegotiations = 3;
  EXPECT_EQ(Fetch(MakeTransport(options), Get(server.Url()), binding_).Status, 200);
  options.Limits.Renegotiations = 2;
  EXPECT_EQ(
      ErrorCodeOf([&] { Fetch(MakeTransport(options), Get(server.Url()), binding_); }), "renegotiation_limit_exceeded");
}

/// Somebody without a certificate is asked too, has none, and gets the server's own answer to that.
TEST_P(AskedLaterTest, WithoutABindingNothingIsPresented) {
  ScriptedServer server{Server(), [](ScriptedConnection& connection) {
                          while (connection.TryReadRequest()) {
                            connection.AskForCertificate();
                            connection.Answer(connection.Facts().X5tS256.empty() ? 401 : 200, "");
                          }
                        }};
  EXPECT_EQ(Fetch(TransportFor(server), Get(server.Url())).Status, 401);
}

/// Wire contract, section 7: whatever certificate authorities the server names (section 10, 7: or it is silently left out).
TEST_P(AskedLaterTest, TheAuthoritiesTheServerNamesDoNotMatter) {
  TestCertificateAuthority const other{"somebody else"};
  auto options = Server();
  options.Tls->AdvertisedAuthorities = {other.Certificate()};
  ScriptedServer server{options, ServeX5tS256};
  EXPECT_EQ(Fetch(TransportFor(server), Get(server.Url()), binding_).Body, binding_->X5tS256());
}

TEST_P(AskedLaterTest, ARefusedCertificateIsAnErrorOfItsOwn) {
  auto options = Server();
  options.Tls->RefuseClientCertificates = true;
  ScriptedServer server{options, ServeX5tS256};
  auto const error = ErrorOf([&] { Fetch(TransportFor(server), Get(server.Url()), binding_); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Code().Name(), "binding_certificate_rejected");
}

TEST_P(AskedLaterTest, AResumedConnectionIsAskedAgain) {
  ScriptedServer server{Server(), [](ScriptedConnection& connection) {
                          connection.ReadRequest();
                          connection.AskForCertificate();
                          connection.Answer(200, connection.Facts().X5tS256, "Connection: close\r\n");
                        }};
  auto const transport = TransportFor(server);
  for (int round = 0; round < 3; ++round) {
    auto const fetched = Fetch(transport, Get(server.Url()), binding_);
    EXPECT_EQ(fetched.Body, binding_->X5tS256());
    EXPECT_EQ(fetched.Connection.Resumed, round > 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Versions, AskedLaterTest, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION), VersionName);

class AskedInHandshakeTest : public testing::TestWithParam<int> {};

TEST_P(AskedInHandshakeTest, ThatVeryCertificateIsPresented) {
  TestCertificateAuthority const other{"somebody else"};
  auto serverOptions = AskingTlsServer(GetParam(), GetParam());
  serverOptions.Tls->AdvertisedAuthorities = {other.Certificate()};
  ScriptedServer server{serverOptions, [](ScriptedConnection& connection) {
                          while (connection.TryReadRequest()) connection.Answer(200, connection.Facts().X5tS256);
                        }};
  auto const transport = MakeTransport(AllowTls13(TrustingOptions(), server.Url()));
  auto const alice = NewBinding("alice");
  auto const bob = NewBinding("bob");
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(Fetch(transport, Get(server.Url()), alice).Body, alice->X5tS256());
    auto const ofBob = Fetch(transport, Get(server.Url()), bob);
    EXPECT_EQ(ofBob.Body, bob->X5tS256());
    EXPECT_EQ(ofBob.Connection.Asked, CertificateAsked::InFirstHandshake);
    EXPECT_EQ(Fetch(transport, Get(server.Url())).Body, "");
  }
  EXPECT_EQ(server.ConnectionCount(), 3U);
}

TEST_P(AskedInHandshakeTest, TheChainIsPresentedToo) {
  ScriptedServer server{AskingTlsServer(GetParam(), GetParam()), ServeX5tS256};
  auto const issued = Authority().IssueForClient("alice", KeyKind::Rsa2048);
  auto const binding = openssl::MakeBindingCertificateFromPem(
      issued.CertificatePem + Authority().CertificatePem(), issued.PrivateKeyPem);
  auto const transport = MakeTransport(AllowTls13(TrustingOptions(), server.Url()));
  EXPECT_EQ(Fetch(transport, Get(server.Url()), binding).Body, issued.X5tS256);
}

TEST_P(AskedInHandshakeTest, ARefusedCertificateIsAnErrorOfItsOwn) {
  auto serverOptions = AskingTlsServer(GetParam(), GetParam());
  serverOptions.Tls->RefuseClientCertificates = true;
  ScriptedServer server{serverOptions, ServeX5tS256};
  auto const transport = MakeTransport(AllowTls13(TrustingOptions(), server.Url()));
  auto const error = ErrorOf([&] { Fetch(transport, Get(server.Url()), NewBinding()); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Code().Name(), "binding_certificate_rejected");
  EXPECT_FALSE(error->Details().Action.empty());
  EXPECT_EQ(transport->PoolStatistics().InUse, 0U);
  EXPECT_EQ(transport->PoolStatistics().Idle, 0U);
}

/// A TPM that was cleared, a KeyGuard key of an earlier boot.
TEST_P(AskedInHandshakeTest, AKeyThatCannotSignIsAnErrorOfItsOwn) {
  ScriptedServer server{AskingTlsServer(GetParam(), GetParam()), ServeX5tS256};
  auto const transport = MakeTransport(AllowTls13(TrustingOptions(), server.Url()));
  auto const error = ErrorOf([&] { Fetch(transport, Get(server.Url()), BindingThatCannotSign()); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Code().Name(), "private_key_unusable");
}

INSTANTIATE_TEST_SUITE_P(
    Versions, AskedInHandshakeTest, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION), [](auto const& version) {
      return version.param == TLS1_2_VERSION ? "Tls12" : "Tls13";
    });

TEST(ServerCertificateTest, IsShownAndWhetherItAskedForOurs) {
  ScriptedServer server{TlsServer(), Serve("open")};
  auto const shown = Fetch(MakeTransport(), Get(server.Url()), NewBinding()).Connection;
  EXPECT_EQ(shown.Asked, CertificateAsked::Never);
  ASSERT_TRUE(shown.Server);
  EXPECT_EQ(shown.Server->Subject, "CN=localhost");
  EXPECT_EQ(shown.Server->Issuer, "CN=mtlspop test CA");
  EXPECT_GT(shown.Server->NotAfter, std::chrono::system_clock::now());

  ScriptedServer plain{{}, Serve("plain")};
  auto const without = Fetch(MakeTransport(), Get(plain.Url())).Connection;
  EXPECT_EQ(without.Asked, CertificateAsked::NotKnown);
  EXPECT_FALSE(without.Server);
}

/// Wire contract, section 7: TLS 1.2 at most by default on bound connections.
TEST(TlsVersionTest, BoundConnectionsUse12AndOthersWhatThePeersAgreeOn) {
  ScriptedServer server{TlsServer(), ServeX5tS256};
  auto const transport = MakeTransport();
  EXPECT_EQ(Fetch(transport, Get(server.Url()), NewBinding()).Connection.TlsVersion, "TLSv1.2");
  EXPECT_EQ(Fetch(transport, Get(server.Url())).Connection.TlsVersion, "TLSv1.3");
}

TEST(TlsVersionTest, AnOriginMayHave13) {
  ScriptedServer allowed{TlsServer(), ServeX5tS256};
  ScriptedServer other{TlsServer(), ServeX5tS256};
  auto const binding = NewBinding();
  auto const transport = MakeTransport(AllowTls13(TrustingOptions(), allowed.Url()));
  auto const first = Fetch(transport, Get(allowed.Url()), binding);
  EXPECT_EQ(first.Connection.TlsVersion, "TLSv1.3");
  EXPECT_EQ(first.Body, binding->X5tS256());
  EXPECT_EQ(Fetch(transport, Get(other.Url()), binding).Connection.TlsVersion, "TLSv1.2");
}

TEST(TlsVersionTest, ABoundConnectionToA13OnlyServerFailsAndSaysWhy) {
  ScriptedServer server{TlsServer(TLS1_3_VERSION, TLS1_3_VERSION), ServeX5tS256};
  auto const error = ErrorOf([&] { Fetch(MakeTransport(), Get(server.Url()), NewBinding()); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Code().Name(), "tls_handshake_failed");
  EXPECT_THAT(error->Details().Action, HasSubstr("MaximumBoundVersion")) << "the option that would help";
}

TEST(ConnectionLostDuringBindingTest, SaysWhatItProbablyIs) {
  for (bool const reset : {true, false}) {
    ScriptedServer server{TlsServer(), [reset](ScriptedConnection& connection) {
                            connection.ReadRequest();
                            if (reset) connection.Reset();
                          }};
    auto const transport = MakeTransport();
    auto const error = ErrorOf([&] { Fetch(transport, Get(server.Url()), NewBinding()); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->Code().Name(), "connection_lost_during_binding");
    EXPECT_THAT(error->what(), AllOf(HasSubstr("renegotiat"), HasSubstr("certificate")));
    EXPECT_EQ(transport->PoolStatistics().InUse, 0U);
  }
}

TEST(ConnectionLostDuringBindingTest, IsNotSaidOfAnUnboundRequest) {
  ScriptedServer server{TlsServer(), [](ScriptedConnection& connection) {
                          connection.ReadRequest();
                          connection.Reset();
                        }};
  EXPECT_EQ(ErrorCodeOf([&] { Fetch(MakeTransport(), Get(server.Url())); }), "connection_lost");
}

TEST(ConnectionLostDuringBindingTest, IsNotSaidOnceTheAnswerHasBegun) {
  ScriptedServer server{TlsServer(), [](ScriptedConnection& connection) {
                          connection.ReadRequest();
                          connection.Write("HTTP/1.1 200 OK\r\nContent-Le");
                        }};
  EXPECT_EQ(ErrorCodeOf([&] { Fetch(MakeTransport(), Get(server.Url()), NewBinding()); }), "connection_lost");
}

/// The server answers a renegotiation that it began itself with silence: a middlebox that lets the hello through one way.
TEST(ConnectionLostDuringBindingTest, CutInTheMiddleOfARenegotiation) {
  ScriptedServer server{TlsServer(TLS1_2_VERSION, TLS1_2_VERSION), [](ScriptedConnection& connection) {
                          connection.ReadRequest();
                          connection.StartAskingForCertificate();
                          connection.Reset();
                        }};
  EXPECT_EQ(
      ErrorCodeOf([&] { Fetch(MakeTransport(), Get(server.Url()), NewBinding()); }), "connection_lost_during_binding");
}

}  // namespace
}  // namespace mtlspop::test
