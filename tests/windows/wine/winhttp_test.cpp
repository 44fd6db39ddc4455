// The transport over a WinHTTP that is really there, against the emulator.

#include <atomic>
#include <future>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "emulator.hpp"
#include "loopback_server.hpp"
#include "support/awaiting_transport.hpp"
#include "test_certificates.hpp"

namespace mtlspop::windows_tests {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

constexpr char const* Metadata = "/metadata/identity/getplatformmetadata?cred-api-version=2.0";

/// Each test is run over both ways: on a thread that waits, and on none.
enum class Way { Blocking, Asynchronous };

class WinHttpTest : public testing::TestWithParam<Way> {
 protected:
  std::string Imds(std::string const& path) const { return emulator_.Endpoint("imds") + path; }
  std::string Vault(std::string const& path) const { return "https://" + emulator_.Endpoint("vault_host") + path; }

  std::shared_ptr<HttpTransport> MakeTransport() { return MakeTransport(emulator_.Options()); }
  std::shared_ptr<HttpTransport> MakeTransport(TransportOptions const& options) {
    std::shared_ptr<HttpTransport> transport = emulator_.MakeTransport(options);
    return GetParam() == Way::Asynchronous ? test::AwaitAsynchronous(transport) : transport;
  }

  static Headers MetadataTrue() {
    Headers fields;
    fields.Set("Metadata", "true");
    return fields;
  }

  ErrorDetails FailureOf(HttpTransport& transport, std::string const& url, Context const& context = {}) {
    try {
      Request request{"GET", Url::Parse(url)};
      request.Fields = MetadataTrue();
      auto const response = transport.Send(request, nullptr, context);
      ReadToEnd(*response->Body, DefaultBufferedBodyBytes, context);
    } catch (Error const& error) {
      return error.Details();
    }
    ADD_FAILURE() << url << " was answered";
    return ErrorDetails{ErrorCode{"none"}, {}, {}};
  }

  Emulator emulator_;
};

TEST_P(WinHttpTest, PlainHttpIsAnswered) {
  auto const transport = MakeTransport();
  auto const answer = Get(*transport, Imds(Metadata), MetadataTrue());
  EXPECT_EQ(answer.Status, 200);
  EXPECT_THAT(answer.Body, HasSubstr("attestationEndpoint"));
}

TEST_P(WinHttpTest, AnAuthorityOfTheOptionsVouchesForTheServer) {
  auto const transport = MakeTransport();
  auto const answer = Get(*transport, Vault("/secrets/boundsecret?api-version=7.4"));
  EXPECT_EQ(answer.Status, 401);
  ASSERT_EQ(emulator_.Log("vault").size(), 1U);
}

TEST_P(WinHttpTest, AServerOfAnotherAuthorityGetsNotAByte) {
  auto options = emulator_.Options();
  options.Tls.Trust.CaFile.clear();
  options.Tls.Trust.CaPem = MakeTestBinding({L"CN=another authority"})->ToPem();
  auto const transport = MakeTransport(options);
  auto const failure = FailureOf(*transport, Vault("/secrets/boundsecret?api-version=7.4"));
  EXPECT_EQ(failure.Code, errors::ServerCertificateRejected);
  EXPECT_TRUE(failure.NothingSent);
  for (auto const& entry : emulator_.Log("vault")) {
    EXPECT_EQ(entry.at("method"), "TLS") << "a request has reached the server";
  }
}

TEST_P(WinHttpTest, WithoutAnAuthorityOfTheOptionsWindowsDecides) {
  auto options = emulator_.Options();
  options.Tls.Trust = {};
  auto const transport = MakeTransport(options);
  auto const failure = FailureOf(*transport, Vault("/secrets/boundsecret?api-version=7.4"));
  // Wine does not say that it was the authority.
  EXPECT_THAT(
      (std::vector<ErrorCode>{errors::ServerCertificateRejected, errors::TlsHandshakeFailed}),
      testing::Contains(failure.Code));
}

TEST_P(WinHttpTest, ACertificateForAnotherHostIsRefused) {
  auto options = emulator_.Options();
  options.ConnectOverrides = {{"somebody.example:443", emulator_.Endpoint("vault").substr(8)}};
  auto const transport = MakeTransport(options);
  auto const failure = FailureOf(*transport, "https://somebody.example/secrets/boundsecret");
  EXPECT_EQ(failure.Code, errors::ServerCertificateRejected);
  EXPECT_THAT(failure.What, HasSubstr("another host"));
  EXPECT_TRUE(emulator_.Log("vault").empty());
}

TEST_P(WinHttpTest, ALargeBodyArrivesWhole) {
  auto const transport = MakeTransport();
  Request request{"POST", Url::Parse(emulator_.Endpoint("imds") + "/metadata/identity/issuecredential")};
  request.Fields = MetadataTrue();
  request.SetBody(std::string(1024 * 1024, 'x'));
  auto const context = Context{}.WithTimeout(std::chrono::seconds{30});
  auto const response = transport->Send(request, nullptr, context);
  EXPECT_EQ(response->StatusCode, 400);
  EXPECT_FALSE(ReadToEnd(*response->Body, DefaultBufferedBodyBytes, context).empty());
}

TEST_P(WinHttpTest, ACancelledRequestReturnsWithin50Milliseconds) {
  emulator_.Arm({{"path", "/metadata"}, {"count", -1}, {"fault", {{"hold", true}}}});
  auto const transport = MakeTransport();
  auto const context = Context{}.WithCancellation();
  Context::TimePoint cancelled{};
  std::thread other{[&] {
    emulator_.AwaitHeld(1);
    cancelled = Context::Clock::now();
    context.Cancel();
  }};
  EXPECT_EQ(FailureOf(*transport, Imds(Metadata), context).Code, errors::Cancelled);
  auto const returned = Context::Clock::now();
  other.join();
  EXPECT_LT(returned - cancelled, std::chrono::milliseconds{50});
  emulator_.Release();
}

TEST_P(WinHttpTest, ADeadlineEndsTheRequest) {
  emulator_.Arm({{"path", "/metadata"}, {"count", -1}, {"fault", {{"hold", true}}}});
  auto const transport = MakeTransport();
  auto const failure = FailureOf(*transport, Imds(Metadata), Context{}.WithTimeout(std::chrono::milliseconds{300}));
  EXPECT_EQ(failure.Code, errors::DeadlineExceeded);
  emulator_.Release();
}

TEST_P(WinHttpTest, ACutAnswerIsAnError) {
  auto const transport = MakeTransport();
  emulator_.Arm({{"path", "/metadata"}, {"fault", {{"cut", "mid-response"}}}});
  EXPECT_EQ(FailureOf(*transport, Imds(Metadata)).Code, errors::ConnectionLost);
}

TEST_P(WinHttpTest, ARedirectIsAnAnswerAndNotFollowed) {
  auto const transport = MakeTransport();
  emulator_.Arm(
      {{"path", "/metadata"},
       {"fault", {{"status", 307}, {"body", "elsewhere"}, {"headers", {{"Location", Imds("/other")}}}}}});
  EXPECT_EQ(Get(*transport, Imds(Metadata), MetadataTrue()).Status, 307);
  EXPECT_EQ(emulator_.Log("imds").size(), 1U);
}

TEST_P(WinHttpTest, ACookieIsNotKept) {
  LoopbackServer const server{
      "HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"};
  auto const transport = MakeTransport();
  for (int count = 0; count < 2; ++count) {
    EXPECT_EQ(Get(*transport, server.Url() + "/").Status, 200);
  }
  EXPECT_THAT(server.Heads(), ElementsAre(Not(HasSubstr("Cookie")), Not(HasSubstr("Cookie"))));
}

/// Wine does not look at what the proxy says to CONNECT, and fails in the handshake; Windows hands it out.
TEST_P(WinHttpTest, AnAnswerToTheTunnelRequestIsNotTheServers) {
  for (char const* const status : {"502 Bad Gateway", "407 Proxy Authentication Required", "200 OK"}) {
    LoopbackServer const proxy{
        "HTTP/1.1 " + std::string{status} + "\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"};
    auto options = emulator_.Options();
    options.Proxy.Url = proxy.Url();
    auto const failure = FailureOf(*MakeTransport(options), "https://somebody.example/");
    EXPECT_TRUE(failure.NothingSent);
    ASSERT_THAT(proxy.Heads(), SizeIs(1));
    EXPECT_THAT(proxy.Heads().front(), StartsWith("CONNECT somebody.example:443 HTTP/1.1\r\n"));
  }
}

TEST_P(WinHttpTest, NobodyThereIsToldAsSuch) {
  auto const transport = MakeTransport();
  // Port 1 of loopback: nothing listens there.
  auto const failure = FailureOf(*transport, "http://127.0.0.1:1/");
  EXPECT_EQ(failure.Code, errors::ConnectFailed);
  EXPECT_TRUE(failure.NothingSent);
}

TEST_P(WinHttpTest, AConnectionIsReused) {
  auto const transport = MakeTransport();
  // The first may meet a connection of another transport's, since Wine shares them, and the one that it gets in its place
  // is not kept.
  for (int count = 0; count < 6; ++count) {
    EXPECT_EQ(Get(*transport, Imds(Metadata), MetadataTrue()).Status, 200);
  }
  EXPECT_GE(transport->PoolStatistics().Reused, 4U);
}

TEST_P(WinHttpTest, ManyThreadsAreServed) {
  auto const transport = MakeTransport();
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 8; ++thread) {
    threads.emplace_back([&] {
      for (int count = 0; count < 10; ++count) {
        EXPECT_EQ(Get(*transport, Imds(Metadata), MetadataTrue()).Status, 200);
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(emulator_.Log("imds").size(), 80U);
}

TEST_P(WinHttpTest, TwoHundredRequestsInFlightAreAllAnswered) {
  emulator_.Arm({{"path", "/metadata"}, {"count", -1}, {"fault", {{"hold", true}}}});
  auto const transport = emulator_.MakeTransport();
  std::promise<void> all;
  std::atomic<int> answered{0};
  for (int count = 0; count < 200; ++count) {
    auto request = std::make_shared<Request>("GET", Url::Parse(Imds(Metadata)));
    request->Fields = MetadataTrue();
    transport->SendAsync(std::move(request), nullptr, {}, [&](Outcome<std::unique_ptr<Response>> outcome) {
      EXPECT_EQ(std::move(outcome).Take()->StatusCode, 200);
      if (++answered == 200) all.set_value();
    });
  }
  emulator_.AwaitHeld(1);
  EXPECT_EQ(answered, 0);
  // Those that arrive later are not held.
  emulator_.ClearFaults();
  emulator_.Release();
  EXPECT_EQ(all.get_future().wait_for(std::chrono::seconds{60}), std::future_status::ready);
}

INSTANTIATE_TEST_SUITE_P(
    BothWays,
    WinHttpTest,
    testing::Values(Way::Blocking, Way::Asynchronous),
    [](testing::TestParamInfo<Way> const& way) {
      return std::string{way.param == Way::Blocking ? "Blocking" : "Asynchronous"};
    });

}  // namespace
}  // namespace mtlspop::windows_tests
