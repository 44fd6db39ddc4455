// Proxies: which one, what it gets, and what is not taken for the server's answer.

#include "winhttp_transport_fixture.hpp"

namespace mtlspop::windows_tests {
namespace {

using testing::_;
using testing::AllOf;
using testing::HasSubstr;
using testing::Return;
using testing::StrEq;

constexpr DWORD DisableProxyAuthSchemes = 193;

TEST_P(WinHttpTransportTest, ANamedProxyIsUsedButForHostsThatAreReachedDirectly) {
  http_->ServerCertificate = MakeNamedBinding("server")->Leaf();
  options_.Proxy.Url = "http://proxy.example:3128";
  options_.Proxy.NoProxy = "direct.example";
  EXPECT_CALL(*http_, Open(WINHTTP_ACCESS_TYPE_NAMED_PROXY, StrEq(L"proxy.example:3128"))).Times(1);
  EXPECT_CALL(*http_, Open(WINHTTP_ACCESS_TYPE_NO_PROXY, nullptr)).Times(1);
  Send("https://example.com/");
  Send("https://www.direct.example/");
  Request metadata{"GET", Url::Parse("http://169.254.169.254/")};
  metadata.NeverProxied = true;
  Transport().Send(metadata, nullptr, {});
}

TEST_P(WinHttpTransportTest, TheProxyOfTheMachineIsUsedWhereTheOptionsNameNone) {
  http_->ServerCertificate = MakeNamedBinding("server")->Leaf();
  options_.Proxy.UseEnvironment = true;
  EXPECT_CALL(*http_, Open(WINHTTP_ACCESS_TYPE_AUTOMATIC_PROXY, nullptr)).Times(1);
  Send("https://example.com/");
}

/// Requests of a transport that may go through a proxy, which is asked for a tunnel first.
class WinHttpProxyTest : public WinHttpTransportTest {
 protected:
  WinHttpProxyTest() {
    options_.Proxy.Url = "http://proxy.example:3128";
    http_->ServerCertificate = MakeNamedBinding("server")->Leaf();
    http_->LastErrorCode = ERROR_WINHTTP_INCORRECT_HANDLE_STATE;
  }

  void AnswerWith(int status) { http_->Header = L"HTTP/1.1 " + std::to_wstring(status) + L" So\r\n\r\n"; }

  /// The tunnel is refused, or opened, and what is said then is the server's.
  void Tunnel(bool isOpened) {
    ON_CALL(*http_, SendRequest).WillByDefault([this, isOpened](HINTERNET request, DWORD, DWORD_PTR) {
      if (http_->ReportConnection(request, true, 7, false) &&
          (!isOpened || http_->ReportConnection(request, false, 7))) {
        http_->Report(request, WINHTTP_CALLBACK_STATUS_SENDREQUEST_COMPLETE);
      }
      return true;
    });
  }
};

TEST_P(WinHttpProxyTest, AnAnswerToTheTunnelRequestIsNeverTakenForTheServers) {
  Tunnel(false);
  for (int const status : {200, 204, 302, 401, 403, 502, 503}) {
    AnswerWith(status);
    auto const failure = FailureOf("https://example.com/", MakeNamedBinding("a"));
    EXPECT_EQ(failure.Code, errors::ProxyFailed) << status;
    EXPECT_EQ(failure.HttpStatus, status);
    EXPECT_THAT(failure.What, AllOf(HasSubstr("proxy.example:3128"), HasSubstr("example.com:443")));
    EXPECT_TRUE(failure.NothingSent);
  }
}

TEST_P(WinHttpProxyTest, AProxyThatRefusesTheTunnelGetsNothingOfTheBody) {
  Tunnel(false);
  AnswerWith(403);
  EXPECT_CALL(*http_, WriteData).Times(0);
  Request request{"POST", Url::Parse("https://example.com/")};
  request.SetBody("for the server alone");
  auto failure = FailureOf(request, MakeNamedBinding("a"));
  EXPECT_EQ(failure.Code, errors::ProxyFailed);
  EXPECT_EQ(failure.HttpStatus, 403);
  EXPECT_TRUE(failure.NothingSent);
  request.Body = std::make_shared<UnknownLength>(std::vector<std::string>{"for the server alone"});
  failure = FailureOf(request, MakeNamedBinding("a"));
  EXPECT_EQ(failure.Code, errors::ProxyFailed);
  EXPECT_EQ(failure.HttpStatus, 403);
}

TEST_P(WinHttpProxyTest, TheBodyGoesThroughTheTunnelAndToTheProxyOfAPlainRequest) {
  Tunnel(true);
  for (char const* const url : {"https://example.com/", "http://example.com/"}) {
    Request request{"POST", Url::Parse(url)};
    request.SetBody("abc");
    EXPECT_EQ(Transport().Send(request, nullptr, {})->StatusCode, 200);
  }
  EXPECT_EQ(http_->Written(), "abcabc");
}

TEST_P(WinHttpProxyTest, BasicIsTheOnlySchemeAProxyMayAskFor) {
  EXPECT_CALL(*http_, SetOption).Times(testing::AnyNumber());
  EXPECT_CALL(*http_, SetOption(_, DisableProxyAuthSchemes, _, sizeof(DWORD)))
      .WillOnce([](HINTERNET, DWORD, void* value, DWORD) {
        // Digest, NTLM, Kerberos, Negotiate.
        EXPECT_EQ(*static_cast<DWORD*>(value), DWORD{2 | 4 | 8 | 16});
        return true;
      })
      .WillOnce(Return(false));
  Send("https://example.com/");
  EXPECT_EQ(Send("https://example.com/", MakeNamedBinding("a"))->StatusCode, 200) << "Windows that do not know it";
}

TEST_P(WinHttpProxyTest, AProxyThatWantsCredentialsIsToldAsSuch) {
  Tunnel(false);
  AnswerWith(407);
  auto const failure = FailureOf("https://example.com/", MakeNamedBinding("a"));
  EXPECT_EQ(failure.Code, errors::ProxyAuthenticationRequired);
  EXPECT_EQ(failure.HttpStatus, 407);
  EXPECT_TRUE(failure.NothingSent);
}

TEST_P(WinHttpProxyTest, TheProxyOfTheMachineDoesNotAnswerForTheServerEither) {
  options_.Proxy.Url.clear();
  options_.Proxy.UseEnvironment = true;
  Tunnel(false);
  AnswerWith(502);
  EXPECT_EQ(FailureOf("https://example.com/").Code, errors::ProxyFailed);
  AnswerWith(407);
  EXPECT_EQ(FailureOf("https://example.com/").Code, errors::ProxyAuthenticationRequired);
}

TEST_P(WinHttpProxyTest, TheServerBehindTheTunnelMayAnswerWhatItLikes) {
  options_.Proxy.Url = "http://user:password@proxy.example:3128";
  EXPECT_CALL(*http_, SetProxyCredentials).Times(0);
  Tunnel(true);
  for (int const status : {200, 403, 407, 502}) {
    AnswerWith(status);
    auto const response = Send("https://example.com/", MakeNamedBinding("a"));
    EXPECT_EQ(response->StatusCode, status);
    EXPECT_FALSE(response->Connection.Reused);
  }
}

TEST_P(WinHttpProxyTest, ATunnelThatIsReusedIsTheServers) {
  Tunnel(true);
  Send("https://example.com/", MakeNamedBinding("a"));
  ON_CALL(*http_, SendRequest).WillByDefault([this](HINTERNET request, DWORD, DWORD_PTR) {
    http_->ReportConnection(request, false, 7);
    http_->Report(request, WINHTTP_CALLBACK_STATUS_SENDREQUEST_COMPLETE);
    return true;
  });
  AnswerWith(502);
  auto const response = Send("https://example.com/", MakeNamedBinding("a"));
  EXPECT_EQ(response->StatusCode, 502);
  EXPECT_TRUE(response->Connection.Reused);
}

/// WinHTTP repeats a request by itself, and the tunnel is refused this time. It may or may not report the CONNECT.
TEST_P(WinHttpProxyTest, TlsThatStoodBeforeDoesNotVouchForALaterAnswer) {
  AnswerWith(502);
  for (bool const isReported : {true, false}) {
    ON_CALL(*http_, SendRequest).WillByDefault([this, isReported](HINTERNET request, DWORD, DWORD_PTR) {
      http_->ReportConnection(request, true, 7, false);
      http_->ReportConnection(request, false, 7);
      if (isReported) {
        http_->ReportConnection(request, true, 8, false);
      } else {
        http_->Report(request, WINHTTP_CALLBACK_STATUS_CONNECTING_TO_SERVER);
        http_->Report(request, WINHTTP_CALLBACK_STATUS_CONNECTED_TO_SERVER);
      }
      http_->Report(request, WINHTTP_CALLBACK_STATUS_SENDREQUEST_COMPLETE);
      return true;
    });
    auto const failure = FailureOf("https://example.com/", MakeNamedBinding("a"));
    EXPECT_EQ(failure.Code, errors::ProxyFailed);
    EXPECT_FALSE(failure.NothingSent) << "its first sending";
  }
}

/// A Windows that does not show the server's certificate cannot be asked who has answered.
TEST_P(WinHttpProxyTest, WithoutTheServersCertificateAnAnswerThroughAProxyIsNotTaken) {
  http_->ServerCertificate.clear();
  http_->LastErrorCode = ERROR_WINHTTP_INTERNAL_ERROR;
  Tunnel(true);
  EXPECT_EQ(FailureOf("https://example.com/", MakeNamedBinding("a")).Code, errors::ProxyFailed);
}

TEST_P(WinHttpProxyTest, TheServersCertificateIsNotLookedForInTheTunnelRequest) {
  options_.Tls.Trust.CaPem = MakeTestBinding()->ToPem();
  Tunnel(true);
  auto const failure = FailureOf("https://example.com/");
  EXPECT_EQ(failure.Code, errors::ServerCertificateRejected);
  EXPECT_TRUE(failure.NothingSent);
  EXPECT_EQ(http_->RequestsSent, 1) << "the CONNECT goes out, and nothing else";
}

TEST_P(WinHttpProxyTest, CredentialsOpenTheTunnel) {
  options_.Proxy.Url = "http://user:pass%20word@proxy.example:3128";
  options_.Limits.Renegotiations = 0;
  EXPECT_CALL(*http_, SetProxyCredentials(_, StrEq(L"user"), StrEq(L"pass word"))).WillOnce([this] {
    AnswerWith(200);
    // The proxy keeps the connection, and the tunnel is asked for on it once more.
    ON_CALL(*http_, SendRequest).WillByDefault([this](HINTERNET request, DWORD, DWORD_PTR) {
      http_->ReportConnection(request, false, 7, false);
      http_->ReportConnection(request, false, 7);
      http_->Report(request, WINHTTP_CALLBACK_STATUS_SENDREQUEST_COMPLETE);
      return true;
    });
    return true;
  });
  Tunnel(false);
  AnswerWith(407);
  auto const response = Send("https://example.com/", MakeNamedBinding("a"));
  EXPECT_EQ(response->StatusCode, 200);
  EXPECT_FALSE(response->Connection.Reused) << "TLS with the server is new";
}

TEST_P(WinHttpProxyTest, APlainRequestIsAnsweredByItsProxy) {
  AnswerWith(502);
  EXPECT_EQ(Send("http://example.com/")->StatusCode, 502);
  AnswerWith(407);
  EXPECT_EQ(FailureOf("http://example.com/").Code, errors::ProxyAuthenticationRequired);
}

TEST_P(WinHttpTransportTest, WithoutAProxyNothingIsSentToAServerWithoutACertificate) {
  options_.Tls.Trust.CaPem = MakeTestBinding()->ToPem();
  http_->LastErrorCode = ERROR_WINHTTP_INCORRECT_HANDLE_STATE;
  EXPECT_EQ(FailureOf("https://example.com/").Code, errors::ServerCertificateRejected);
  EXPECT_EQ(http_->RequestsSent, 0);
}

TEST_P(WinHttpTransportTest, ProxyCredentialsAreGivenWhenTheProxyAsksAndOnceOnly) {
  options_.Proxy.Url = "http://user:pass%20word@proxy.example:3128";
  http_->Header = L"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
  http_->Body.clear();
  EXPECT_CALL(*http_, SetProxyCredentials(_, StrEq(L"user"), StrEq(L"pass word"))).WillOnce(Return(true));
  auto const failure = FailureOf("https://example.com/");
  EXPECT_EQ(failure.Code, errors::ProxyAuthenticationRequired);
  EXPECT_EQ(failure.HttpStatus, 407);
  EXPECT_EQ(http_->RequestsSent, 2);
}

TEST_P(WinHttpTransportTest, AProxyThatIsReachedByHttpsIsRefused) {
  options_.Proxy.Url = "https://proxy.example:3128";
  EXPECT_EQ(FailureOf("https://example.com/").Code, errors::InvalidArgument);
}

INSTANTIATE_TEST_SUITE_P(BothWays, WinHttpProxyTest, testing::Values(Way::Blocking, Way::Asynchronous), NameOf);

}  // namespace
}  // namespace mtlspop::windows_tests
