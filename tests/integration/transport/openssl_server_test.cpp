// `openssl s_server`, which renegotiates and asks for certificates on command.

#include <gmock/gmock.h>

#include <future>

#include "support/openssl_server.hpp"
#include "transport_test.hpp"

namespace mtlspop::test {
namespace {

using testing::HasSubstr;

std::vector<std::string> With(std::vector<std::string> arguments) {
  arguments.insert(arguments.end(), {"-CAfile", Authority().CertificatePath()});
  return arguments;
}

class OpensslServerTest : public testing::Test {
 protected:
  Binding const alice_ = NewBinding("alice");
};

TEST_F(OpensslServerTest, RequiresACertificateInTheHandshake) {
  for (auto const* version : {"-tls1_2", "-tls1_3"}) {
    OpensslServer server{LoopbackCertificate(), With({version, "-Verify", "2", "-verify_return_error", "-www"})};
    auto const transport = MakeTransport(AllowTls13(TrustingOptions(), server.Url("/")));
    auto const fetched = Fetch(transport, Get(server.Url("/")), alice_);
    EXPECT_EQ(fetched.Status, 200);
    EXPECT_THAT(fetched.Body, HasSubstr("s_server"));
    EXPECT_TRUE(server.Process().WaitForOutput("depth=0 CN = alice")) << server.Process().Output();
    EXPECT_NE(ErrorCodeOf([&] { Fetch(transport, Get(server.Url("/"))); }), "no error");
  }
}

/// Sessions are off: s_server would let the client resume the one it has, and so ask for nothing.
/// The command 'R' renegotiates and asks for a certificate; 'r' renegotiates alone. The test plays the server's part by hand.
TEST_F(OpensslServerTest, RenegotiatesOnCommand) {
  OpensslServer server{
      LoopbackCertificate(), With({"-tls1_2", "-crlf", "-verify_return_error", "-no_ticket", "-no_cache"})};
  auto& process = server.Process();
  auto fetching =
      std::async(std::launch::async, [&] { return Fetch(MakeTransport(), Get(server.Url("/secrets")), alice_); });
  ASSERT_TRUE(process.WaitForOutput("GET /secrets HTTP/1.1")) << process.Output();
  process.Write("r\n");
  ASSERT_TRUE(Eventually([&] { return process.Output().find("SSL_do_handshake") != std::string::npos; }))
      << process.Output();
  process.Write("R\n");
  ASSERT_TRUE(process.WaitForOutput("CN = alice")) << process.Output();
  process.Write("HTTP/1.1 200 OK\nContent-Length: 5\n\nhello");
  // It sends whole lines, and the client needs no more than the five bytes.
  process.Write("\n");
  EXPECT_EQ(fetching.get().Body, "hello");
}

/// The command 'c' asks by post-handshake authentication.
TEST_F(OpensslServerTest, AsksAfterTheHandshakeOnCommand) {
  OpensslServer server{LoopbackCertificate(), With({"-tls1_3", "-crlf", "-verify_return_error"})};
  auto& process = server.Process();
  auto fetching = std::async(std::launch::async, [&] {
    return Fetch(MakeTransport(AllowTls13(TrustingOptions(), server.Url("/"))), Get(server.Url("/secrets")), alice_);
  });
  ASSERT_TRUE(process.WaitForOutput("GET /secrets HTTP/1.1")) << process.Output();
  process.Write("c\n");
  ASSERT_TRUE(process.WaitForOutput("CN = alice")) << process.Output();
  process.Write("HTTP/1.1 200 OK\nContent-Length: 5\n\nhello\n");
  EXPECT_EQ(fetching.get().Body, "hello");
}

TEST_F(OpensslServerTest, RefusesACertificateItDoesNotKnow) {
  TestCertificateAuthority stranger{"stranger"};
  auto const mallory = ToBinding(stranger.IssueForClient("mallory"));
  OpensslServer server{LoopbackCertificate(), With({"-tls1_2", "-Verify", "2", "-verify_return_error", "-www"})};
  EXPECT_EQ(
      ErrorCodeOf([&] { Fetch(MakeTransport(), Get(server.Url("/")), mallory); }), "binding_certificate_rejected");
}

}  // namespace
}  // namespace mtlspop::test
