// Bodies of requests, and requests that are sent again.

#include <map>
#include <utility>

#include "winhttp_transport_fixture.hpp"

namespace mtlspop::windows_tests {
namespace {

using testing::_;
using testing::HasSubstr;
using testing::Return;
using testing::StrEq;

TEST_P(WinHttpTransportTest, ABodyOfKnownLengthIsSentAsItIs) {
  Request request{"POST", Url::Parse("https://example.com/")};
  request.SetBody(std::string(200'000, 'x'));
  EXPECT_CALL(*http_, SendRequest(_, 200'000, _));
  Transport().Send(request, nullptr, {});
  EXPECT_EQ(http_->Written(), std::string(200'000, 'x'));
}

TEST_P(WinHttpTransportTest, ABodyOfUnknownLengthIsSentInChunks) {
  Request request{"POST", Url::Parse("https://example.com/")};
  request.Body = std::make_shared<UnknownLength>(std::vector<std::string>{"abc", std::string(16, 'x')});
  EXPECT_CALL(*http_, AddRequestHeaders(_, StrEq(L"Transfer-Encoding: chunked\r\n"), _)).WillOnce(Return(true));
  Transport().Send(request, nullptr, {});
  EXPECT_EQ(http_->Written(), "3\r\nabc\r\n10\r\n" + std::string(16, 'x') + "\r\n0\r\n\r\n");
}

/// A body that says another length than it has.
class WrongLength final : public BodyStream {
 public:
  std::size_t Read(gsl::span<std::uint8_t>, Context const&) override { return 0; }
  std::optional<std::uint64_t> Length() const noexcept override { return 3; }
};

TEST_P(WinHttpTransportTest, ABodyWithAnotherLengthThanItSaysEndsTheRequest) {
  Request request{"POST", Url::Parse("https://example.com/")};
  request.Body = std::make_shared<WrongLength>();
  EXPECT_EQ(FailureOf(request).Code, errors::RequestBodyFailed);
}

/// A body whose source fails.
class Broken final : public BodyStream {
 public:
  std::size_t Read(gsl::span<std::uint8_t>, Context const&) override { throw std::runtime_error{"the disk is gone"}; }
};

TEST_P(WinHttpTransportTest, ABodyThatFailsIsTheCauseOfTheError) {
  Request request{"POST", Url::Parse("https://example.com/")};
  request.Body = std::make_shared<Broken>();
  try {
    Transport().Send(request, nullptr, {});
    ADD_FAILURE() << "the request was answered";
  } catch (Error const& error) {
    EXPECT_EQ(error.Code(), errors::RequestBodyFailed);
    EXPECT_THAT(DescribeWithCauses(error), HasSubstr("the disk is gone"));
  }
}

TEST_P(WinHttpTransportTest, AResendAfterRenegotiationSendsTheBodyAgain) {
  Request request{"POST", Url::Parse("https://example.com/")};
  request.SetBody("abc");
  EXPECT_CALL(*http_, ReceiveResponse)
      .WillOnce([this](HINTERNET handle) {
        http_->ReportError(handle, ERROR_WINHTTP_RESEND_REQUEST);
        return true;
      })
      .WillRepeatedly([this](HINTERNET handle) {
        http_->Report(handle, WINHTTP_CALLBACK_STATUS_HEADERS_AVAILABLE);
        return true;
      });
  EXPECT_EQ(Transport().Send(request, MakeNamedBinding("a"), {})->StatusCode, 200);
  EXPECT_EQ(http_->Written(), "abcabc");
}

TEST_P(WinHttpTransportTest, ResendsHaveAnEnd) {
  ON_CALL(*http_, ReceiveResponse).WillByDefault([this](HINTERNET handle) {
    http_->ReportError(handle, ERROR_WINHTTP_RESEND_REQUEST);
    return true;
  });
  EXPECT_EQ(FailureOf("https://example.com/", MakeNamedBinding("a")).Code, errors::ConnectionLost);
  EXPECT_EQ(http_->RequestsSent, static_cast<int>(TransportLimits{}.Renegotiations) + 1);
}

/// WinHTTP drops what it was given when the server asks for a certificate again, also "none".
TEST_P(WinHttpTransportTest, ACertificateThatIsAskedForAgainIsGivenAgain) {
  for (auto const& binding : {MakeNamedBinding("a"), decltype(MakeNamedBinding("")){}}) {
    EXPECT_CALL(*http_, OpenRequest).Times(1);
    int given = 0;
    EXPECT_CALL(*http_, SetOption).Times(testing::AnyNumber());
    EXPECT_CALL(*http_, SetOption(_, WINHTTP_OPTION_CLIENT_CERT_CONTEXT, _, binding ? DWORD{sizeof(CERT_CONTEXT)} : 0))
        .WillRepeatedly([&](HINTERNET, DWORD, void* value, DWORD) {
          ++given;
          EXPECT_EQ(value != nullptr, binding != nullptr);
          return true;
        });
    EXPECT_CALL(*http_, ReceiveResponse)
        .WillOnce([this](HINTERNET handle) {
          http_->ReportError(handle, ERROR_WINHTTP_CLIENT_AUTH_CERT_NEEDED);
          return true;
        })
        .WillOnce([this](HINTERNET handle) {
          http_->Report(handle, WINHTTP_CALLBACK_STATUS_HEADERS_AVAILABLE);
          return true;
        });
    Request request{"POST", Url::Parse("https://example.com/")};
    request.SetBody("abc");
    EXPECT_EQ(Transport().Send(request, binding, {})->StatusCode, 200);
    EXPECT_EQ(given, 2);
    testing::Mock::VerifyAndClearExpectations(http_.get());
  }
  EXPECT_EQ(http_->Written(), "abcabcabcabc");
}

TEST_P(WinHttpTransportTest, ACertificateThatIsAskedForTwiceAgainWasRefused) {
  for (auto const& [renegotiations, sendings] : std::map<std::size_t, int>{{0, 1}, {1, 2}, {4, 2}}) {
    options_.Limits.Renegotiations = renegotiations;
    transport_.reset();
    http_->RequestsSent = 0;
    ON_CALL(*http_, ReceiveResponse).WillByDefault([this](HINTERNET handle) {
      http_->ReportError(handle, ERROR_WINHTTP_CLIENT_AUTH_CERT_NEEDED);
      return true;
    });
    auto const failure = FailureOf("https://example.com/", MakeNamedBinding("a"));
    EXPECT_EQ(failure.Code, errors::BindingCertificateRejected);
    EXPECT_FALSE(failure.NothingSent);
    EXPECT_EQ(http_->RequestsSent, sendings) << renegotiations;
  }
}

TEST_P(WinHttpTransportTest, ABodyThatCannotBeRewoundIsNotSentAgainForACertificate) {
  ON_CALL(*http_, ReceiveResponse).WillByDefault([this](HINTERNET handle) {
    http_->ReportError(handle, ERROR_WINHTTP_CLIENT_AUTH_CERT_NEEDED);
    return true;
  });
  Request request{"POST", Url::Parse("https://example.com/")};
  request.Body = std::make_shared<UnknownLength>(std::vector<std::string>{"abc"});
  EXPECT_EQ(FailureOf(request, MakeNamedBinding("a")).Code, errors::BindingCertificateRejected);
  EXPECT_EQ(http_->RequestsSent, 1);
}

/// SChannel may be asked to renegotiate in the middle of the body, or WinHTTP may notice it when it sends.
TEST_P(WinHttpTransportTest, AResendMayBeAskedForWhileTheRequestIsBeingSent) {
  ON_CALL(*http_, SendRequest).WillByDefault([this, calls = 0](HINTERNET request, DWORD, DWORD_PTR) mutable {
    ++calls;
    http_->LastErrorCode = ERROR_WINHTTP_RESEND_REQUEST;
    if (calls == 1) {
      return false;
    }
    http_->ReportConnection(request, calls == 2, 7);
    if (calls == 2) {
      http_->ReportError(request, ERROR_WINHTTP_RESEND_REQUEST);
    } else {
      http_->Report(request, WINHTTP_CALLBACK_STATUS_SENDREQUEST_COMPLETE);
    }
    return true;
  });
  EXPECT_CALL(*http_, WriteData)
      .WillOnce(Return(false))
      .WillOnce([this](HINTERNET request, void const*, DWORD) {
        http_->ReportError(request, ERROR_WINHTTP_RESEND_REQUEST);
        return true;
      })
      .WillRepeatedly([this](HINTERNET request, void const*, DWORD) {
        http_->Report(request, WINHTTP_CALLBACK_STATUS_WRITE_COMPLETE);
        return true;
      });
  Request request{"POST", Url::Parse("https://example.com/")};
  request.SetBody(std::string(100'000, 'x'));
  EXPECT_EQ(Transport().Send(request, MakeNamedBinding("a"), {})->StatusCode, 200);
  EXPECT_EQ(http_->RequestsSent, 4);
}

TEST_P(WinHttpTransportTest, ResendsInTheMiddleOfABodyHaveAnEnd) {
  ON_CALL(*http_, WriteData).WillByDefault([this](HINTERNET request, void const*, DWORD) {
    http_->ReportError(request, ERROR_WINHTTP_RESEND_REQUEST);
    return true;
  });
  Request request{"POST", Url::Parse("https://example.com/")};
  request.SetBody("abc");
  auto const failure = FailureOf(request, MakeNamedBinding("a"));
  EXPECT_EQ(failure.Code, errors::ConnectionLost);
  EXPECT_FALSE(failure.NothingSent);
  EXPECT_EQ(http_->RequestsSent, static_cast<int>(TransportLimits{}.Renegotiations) + 1);
}

TEST_P(WinHttpTransportTest, ABodyThatCannotBeRewoundIsNotSentAgain) {
  ON_CALL(*http_, WriteData).WillByDefault([this](HINTERNET request, void const*, DWORD) {
    http_->ReportError(request, ERROR_WINHTTP_RESEND_REQUEST);
    return true;
  });
  Request request{"POST", Url::Parse("https://example.com/")};
  request.Body = std::make_shared<UnknownLength>(std::vector<std::string>{"abc"});
  EXPECT_EQ(FailureOf(request, MakeNamedBinding("a")).Code, errors::ConnectionLost);
  EXPECT_EQ(http_->RequestsSent, 1);
}

TEST_P(WinHttpTransportTest, WhatWasSentOnceWasSentEvenIfTheSendingAfterItFails) {
  ON_CALL(*http_, SendRequest).WillByDefault([this](HINTERNET request, DWORD, DWORD_PTR) {
    if (http_->RequestsSent == 1) {
      http_->ReportError(request, ERROR_WINHTTP_CANNOT_CONNECT);
    } else {
      http_->ReportConnection(request, true, 7);
      http_->ReportError(request, ERROR_WINHTTP_RESEND_REQUEST);
    }
    return true;
  });
  auto const failure = FailureOf("https://example.com/", MakeNamedBinding("a"));
  EXPECT_EQ(failure.Code, errors::ConnectFailed);
  EXPECT_FALSE(failure.NothingSent);
}

TEST_P(WinHttpTransportTest, WhatWasSentOnceWasSentEvenIfTheNextConnectionIsNotReadyInTime) {
  options_.ConnectTimeout = std::chrono::milliseconds{20};
  ON_CALL(*http_, SendRequest).WillByDefault([this](HINTERNET request, DWORD, DWORD_PTR) {
    if (http_->RequestsSent == 1) {
      http_->Report(request, WINHTTP_CALLBACK_STATUS_CONNECTING_TO_SERVER);
    } else {
      http_->ReportConnection(request, true, 7);
      http_->ReportError(request, ERROR_WINHTTP_RESEND_REQUEST);
    }
    return true;
  });
  auto const failure = FailureOf("https://example.com/", MakeNamedBinding("a"));
  EXPECT_EQ(failure.Code, errors::DeadlineExceeded);
  EXPECT_FALSE(failure.NothingSent);
}

TEST_P(WinHttpTransportTest, ARefusalOfALaterSendingDoesNotSayThatNothingWasSent) {
  ON_CALL(*http_, SendRequest).WillByDefault([this](HINTERNET request, DWORD, DWORD_PTR) {
    http_->ReportConnection(request, true, 7);
    // By itself, and without a word on which connection.
    http_->ReportConnection(request, false, 0);
    return true;
  });
  auto const failure = FailureOf("https://example.com/", MakeNamedBinding("a"));
  EXPECT_EQ(failure.Code, errors::SystemFailure);
  EXPECT_THAT(failure.What, HasSubstr("which connection"));
  EXPECT_FALSE(failure.NothingSent);
}

}  // namespace
}  // namespace mtlspop::windows_tests
