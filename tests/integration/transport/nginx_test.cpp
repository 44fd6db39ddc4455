// nginx asks for the certificate in the first handshake.

#include <gmock/gmock.h>

#include <mutex>
#include <sstream>
#include <thread>

#include "support/nginx_server.hpp"
#include "transport_test.hpp"

namespace mtlspop::test {
namespace {

/// What `/facts` says.
struct NginxFacts {
  explicit NginxFacts(std::string const& line) {
    std::istringstream parts{line};
    for (auto* part : {&Subject, &Protocol, &Resumed, &Connection, &Request}) std::getline(parts, *part, '|');
  }
  std::string Subject;
  std::string Protocol;
  std::string Resumed;
  std::string Connection;
  std::string Request;
};

class NginxTest : public testing::Test {
 protected:
  NginxFacts FactsFor(Transport const& transport, Binding const& binding) const {
    return NginxFacts{Fetch(transport, Get(server_.Url("/facts")), binding).Body};
  }

  NginxServer server_{LoopbackCertificate(), Authority().CertificatePath()};
  Binding const alice_ = NewBinding("alice");
};

TEST_F(NginxTest, SeesTheCertificate) {
  auto const transport = MakeTransport();
  auto const first = FactsFor(transport, alice_);
  EXPECT_EQ(first.Subject, "CN=alice");
  EXPECT_EQ(first.Protocol, "TLSv1.2");
  EXPECT_EQ(first.Request, "1");
  auto const second = FactsFor(transport, alice_);
  EXPECT_EQ(second.Connection, first.Connection);
  EXPECT_EQ(second.Request, "2");
}

TEST_F(NginxTest, SeesItUnderTls13) {
  auto const transport = MakeTransport(AllowTls13(TrustingOptions(), server_.Url("/")));
  EXPECT_EQ(FactsFor(transport, alice_).Protocol, "TLSv1.3");
  EXPECT_EQ(FactsFor(transport, alice_).Subject, "CN=alice");
}

TEST_F(NginxTest, SeesARsaCertificate) {
  auto const bob = ToBinding(Authority().IssueForClient("bob", KeyKind::Rsa2048));
  EXPECT_EQ(FactsFor(MakeTransport(), bob).Subject, "CN=bob");
  EXPECT_EQ(FactsFor(MakeTransport(AllowTls13(TrustingOptions(), server_.Url("/"))), bob).Subject, "CN=bob");
}

TEST_F(NginxTest, AnswersWithoutOneInItsOwnWay) {
  EXPECT_EQ(Fetch(MakeTransport(), Get(server_.Url("/facts"))).Status, 400);
}

TEST_F(NginxTest, ResumesWithinABindingOnly) {
  for (bool const tls13 : {false, true}) {
    auto options = TrustingOptions();
    if (tls13) options = AllowTls13(options, server_.Url("/"));
    // One connection in all: each request by another binding evicts the other's connection, and its session stays.
    options.Pool.MaximumTotal = 1;
    auto const transport = MakeTransport(options);
    auto const bob = NewBinding("bob");
    for (int round = 0; round < 3; ++round) {
      auto const alice = FactsFor(transport, alice_);
      EXPECT_EQ(alice.Subject, "CN=alice");
      EXPECT_EQ(alice.Resumed, round > 0 ? "r" : ".");
      auto const other = FactsFor(transport, bob);
      EXPECT_EQ(other.Subject, "CN=bob");
      EXPECT_EQ(other.Resumed, round > 0 ? "r" : ".");
    }
  }
}

TEST_F(NginxTest, StoresWhatIsPut) {
  auto const body = Pattern(3 * 1024 * 1024);
  auto const transport = MakeTransport();
  for (std::optional<std::uint64_t> const length :
       {std::optional<std::uint64_t>{}, std::optional<std::uint64_t>{body.size()}}) {
    for (bool const expect : {false, true}) {
      auto const name = std::string{length ? "known" : "unknown"} + (expect ? "-expected" : "");
      Request request{"PUT", Url::Parse(server_.Url("/files/" + name))};
      request.Body = std::make_shared<GeneratedBody>(body.size(), length);
      request.ExpectContinue = expect;
      EXPECT_EQ(Fetch(transport, std::move(request), alice_).Status, 201);
      EXPECT_TRUE(server_.StoredFile(name) == body) << name;
    }
  }
  EXPECT_TRUE(Fetch(transport, Get(server_.Url("/files/known")), alice_).Body == body);
  auto const chunked = Fetch(transport, Get(server_.Url("/chunked/known")), alice_);
  EXPECT_EQ(chunked.Fields.Get("Transfer-Encoding"), "chunked");
  EXPECT_TRUE(chunked.Body == body);
  EXPECT_EQ(Fetch(transport, Request{"DELETE", Url::Parse(server_.Url("/files/known"))}, alice_).Status, 204);
  EXPECT_EQ(transport->PoolStatistics().Opened, 1U);
}

TEST_F(NginxTest, ServesManyThreadsAndBindings) {
  auto const transport = MakeTransport();
  std::vector<std::thread> threads;
  threads.reserve(8);
  for (int index = 0; index < 8; ++index) {
    threads.emplace_back([&, name = "app" + std::to_string(index)] {
      auto const binding = ToBinding([&] {
        static std::mutex mutex;
        std::lock_guard<std::mutex> const lock{mutex};
        return Authority().IssueForClient(name);
      }());
      for (int round = 0; round < 25; ++round) EXPECT_EQ(FactsFor(transport, binding).Subject, "CN=" + name);
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(transport->PoolStatistics().Opened, 8U);
}

}  // namespace
}  // namespace mtlspop::test
