// What the transport does with WinHTTP, over a WinHTTP that answers as the test says: answers, TLS, waiting and its ends.

#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "winhttp_transport_fixture.hpp"

namespace mtlspop::windows_tests {
namespace {

using testing::_;
using testing::HasSubstr;
using testing::NiceMock;
using testing::Return;
using testing::StrEq;

constexpr DWORD ResolutionHostname = 165;

TEST_P(WinHttpTransportTest, AnAnswerHasItsStatusFieldsAndBody) {
  http_->Header =
      L"HTTP/1.1 404 Not Found\r\nServer: IMDS/1\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 5\r\n\r\n";
  auto const response = Send("https://example.com/a%20b?c=d");
  EXPECT_EQ(response->StatusCode, 404);
  EXPECT_EQ(response->ReasonPhrase, "Not Found");
  EXPECT_EQ(response->Fields.Get("server"), "IMDS/1");
  EXPECT_EQ(response->Fields.GetAll("set-cookie").size(), 2U);
  EXPECT_EQ(ReadToEnd(*response->Body, 100, {}), "hello");
}

TEST_P(WinHttpTransportTest, TheUrlIsSentAsItStands) {
  EXPECT_CALL(
      *http_, OpenRequest(
                  _, StrEq(L"GET"), StrEq(L"/a%20b?c=%2F"),
                  WINHTTP_FLAG_SECURE | WINHTTP_FLAG_ESCAPE_DISABLE | WINHTTP_FLAG_ESCAPE_DISABLE_QUERY));
  Send("https://example.com/a%20b?c=%2F");
}

TEST_P(WinHttpTransportTest, NothingIsAutomatic) {
  Send("https://example.com/");
  EXPECT_EQ(
      http_->Option(WINHTTP_OPTION_DISABLE_FEATURE),
      static_cast<DWORD>(WINHTTP_DISABLE_COOKIES | WINHTTP_DISABLE_REDIRECTS | WINHTTP_DISABLE_AUTHENTICATION));
  EXPECT_EQ(http_->Option(WINHTTP_OPTION_AUTOLOGON_POLICY), static_cast<DWORD>(WINHTTP_AUTOLOGON_SECURITY_LEVEL_HIGH));
  EXPECT_EQ(http_->Option(WINHTTP_OPTION_ENABLE_HTTP_PROTOCOL), 0U);
}

TEST_P(WinHttpTransportTest, WithoutABindingNoCertificateIsOffered) {
  EXPECT_CALL(*http_, SetOption).Times(testing::AnyNumber());
  EXPECT_CALL(*http_, SetOption(_, WINHTTP_OPTION_CLIENT_CERT_CONTEXT, nullptr, 0)).WillOnce(Return(true));
  Send("https://example.com/");
}

TEST_P(WinHttpTransportTest, WithABindingItsCertificateIsOffered) {
  auto const binding = MakeTestBinding();
  std::vector<std::uint8_t> offered;
  EXPECT_CALL(*http_, SetOption).Times(testing::AnyNumber());
  EXPECT_CALL(*http_, SetOption(_, WINHTTP_OPTION_CLIENT_CERT_CONTEXT, _, sizeof(CERT_CONTEXT)))
      .WillOnce([&](HINTERNET, DWORD, void* value, DWORD) {
        auto const* const context = static_cast<PCCERT_CONTEXT>(value);
        offered.assign(context->pbCertEncoded, context->pbCertEncoded + context->cbCertEncoded);
        return true;
      });
  Send("https://example.com/", binding);
  EXPECT_EQ(offered, binding->Leaf());
}

/// Tells which keys were attached to certificate contexts, and whether they still live.
class WatchedKey final : public schannel::CertificateKey, public std::enable_shared_from_this<WatchedKey> {
 public:
  using Attached = std::vector<std::weak_ptr<WatchedKey const>>;
  WatchedKey(std::shared_ptr<PrivateKeyHandle const> inner, std::shared_ptr<Attached> attached)
      : inner_(std::move(inner)), attached_(std::move(attached)) {}

  void AttachTo(PCCERT_CONTEXT context) const override {
    attached_->push_back(weak_from_this());
    Inner().AttachTo(context);
  }
  std::vector<std::uint8_t> PublicKeyBlob() const override { return Inner().PublicKeyBlob(); }

 private:
  schannel::CertificateKey const& Inner() const { return dynamic_cast<schannel::CertificateKey const&>(*inner_); }

  std::shared_ptr<PrivateKeyHandle const> inner_;
  std::shared_ptr<Attached> attached_;
};

TEST_P(WinHttpTransportTest, TheKeyOfACertificateLivesUntilWinHttpHasClosedTheRequest) {
  auto const attached = std::make_shared<WatchedKey::Attached>();
  auto const make = [&]() -> std::shared_ptr<BindingCertificate const> {
    auto const real = MakeNamedBinding("a");
    BindingCertificate::Parts parts;
    parts.Chain = real->Chain();
    parts.Key = std::make_shared<WatchedKey const>(real->SharedKey(), attached);
    parts.Strength = real->Strength();
    parts.X5tS256 = "a";
    return std::make_shared<BindingCertificate>(std::move(parts));
  };
  auto const first = make();
  Send("https://example.com/", first);

  // Never answers. A deadline might pass before there is a handle.
  auto const context = Context{}.WithCancellation();
  ON_CALL(*http_, SendRequest).WillByDefault([&context](HINTERNET, DWORD, DWORD_PTR) {
    context.Cancel();
    return true;
  });
  std::vector<HINTERNET> closing;
  EXPECT_CALL(*http_, CloseHandle).WillRepeatedly([&](HINTERNET handle) {
    closing.push_back(handle);
    return true;
  });
  auto second = make();
  EXPECT_THROW(Send("https://example.com/", second, context), Error);
  second.reset();
  ASSERT_EQ(closing.size(), 1U);
  ASSERT_EQ(attached->size(), 2U);
  EXPECT_FALSE(attached->back().expired()) << "WinHTTP still holds a context that signs with it";

  testing::Mock::VerifyAndClearExpectations(http_.get());
  http_->CloseHandle(closing.front());
}

/// The caller may be gone, and the handle closed, while WinHTTP's thread is still in the callback.
TEST_P(WinHttpTransportTest, ARequestOutlivesTheCallbackThatClosesIt) {
  auto const session = std::make_shared<schannel::Session>(http_, schannel::SessionKey{}, nullptr, PoolOptions{});
  schannel::RequestTarget target;
  target.Host = "example.com";
  target.Port = 443;
  target.Method = "GET";
  target.Path = "/";
  HINTERNET handle = nullptr;
  EXPECT_CALL(*http_, SetStatusCallback).WillOnce([&](HINTERNET request, WINHTTP_STATUS_CALLBACK callback) {
    handle = request;
    http_->Watch(request, callback);
    return true;
  });
  auto owned = std::make_shared<int>(1);
  std::weak_ptr<int> const watched = owned;
  std::optional<schannel::AsyncRequest::Ptr> request;
  bool livesInCallback = false;
  // `owned` is let go with the check, and the check with the request.
  request = schannel::AsyncRequest::Open(session, target, [&, owned](schannel::ConnectionView const&) {
    request.reset();
    livesInCallback = !watched.expired();
    throw Error{ErrorDetails{errors::SystemFailure, "refused", "nothing"}};
  });
  owned.reset();
  http_->Report(handle, WINHTTP_CALLBACK_STATUS_SENDING_REQUEST);
  EXPECT_TRUE(livesInCallback);
  EXPECT_TRUE(watched.expired()) << "and no longer";
}

TEST_P(WinHttpTransportTest, ABoundRequestSpeaksTls12AtMost) {
  Send("https://example.com/", MakeNamedBinding("a"));
  EXPECT_EQ(http_->Option(WINHTTP_OPTION_SECURE_PROTOCOLS), static_cast<DWORD>(WINHTTP_FLAG_SECURE_PROTOCOL_TLS1_2));
}

TEST_P(WinHttpTransportTest, ABoundRequestSpeaksTls13WhereTheOptionsSaySo) {
  options_.Tls.Origins = {{"https://example.com", TlsVersion::Tls13}};
  Send("https://example.com/", MakeNamedBinding("a"));
  EXPECT_EQ(
      http_->Option(WINHTTP_OPTION_SECURE_PROTOCOLS),
      static_cast<DWORD>(WINHTTP_FLAG_SECURE_PROTOCOL_TLS1_2 | WINHTTP_FLAG_SECURE_PROTOCOL_TLS1_3));
}

TEST_P(WinHttpTransportTest, AWindowsWithoutTls13SpeaksTls12) {
  ON_CALL(*http_, SetOption(_, WINHTTP_OPTION_SECURE_PROTOCOLS, _, _))
      .WillByDefault([](HINTERNET, DWORD, void* value, DWORD) {
        return (*static_cast<DWORD*>(value) & WINHTTP_FLAG_SECURE_PROTOCOL_TLS1_3) == 0;
      });
  EXPECT_EQ(Send("https://example.com/")->StatusCode, 200);
}

TEST_P(WinHttpTransportTest, WaitingForTheServersWordIsRefused) {
  EXPECT_CALL(*http_, Open).Times(0);
  Request request{"PUT", Url::Parse("https://example.com/")};
  request.SetBody("large");
  request.ExpectContinue = true;
  auto const failure = FailureOf(request);
  EXPECT_EQ(failure.Code, errors::InvalidArgument);
  EXPECT_THAT(failure.What, HasSubstr("ExpectContinue"));
  EXPECT_TRUE(failure.NothingSent);
}

TEST_P(WinHttpTransportTest, ABindingOnPlainHttpIsRefused) {
  EXPECT_CALL(*http_, Open).Times(0);
  EXPECT_EQ(FailureOf("http://example.com/", MakeNamedBinding("a")).Code, errors::BindingRequiresHttps);
}

TEST_P(WinHttpTransportTest, ACancelledRequestLeavesAtOnceAndClosesItsHandle) {
  ON_CALL(*http_, SendRequest).WillByDefault(Return(true));  // Never answers.
  auto const context = Context{}.WithCancellation();
  std::thread other{[context] { context.Cancel(); }};
  try {
    Send("https://example.com/", nullptr, context);
    ADD_FAILURE() << "the request was answered";
  } catch (Error const& error) {
    EXPECT_EQ(error.Code(), errors::Cancelled);
  }
  other.join();
}

TEST_P(WinHttpTransportTest, ADeadlineHoldsWhileWaitingForTheAnswer) {
  ON_CALL(*http_, ReceiveResponse).WillByDefault(Return(true));  // Never answers.
  try {
    Send("https://example.com/", nullptr, Context{}.WithTimeout(std::chrono::milliseconds{20}));
    ADD_FAILURE() << "the request was answered";
  } catch (Error const& error) {
    EXPECT_EQ(error.Code(), errors::DeadlineExceeded);
    EXPECT_FALSE(error.Details().NothingSent);
  }
}

TEST_P(WinHttpTransportTest, ADeadlineThatPassesWithoutAConnectionSaysThatNothingWasSent) {
  ON_CALL(*http_, SendRequest).WillByDefault([this](HINTERNET request, DWORD, DWORD_PTR) {
    http_->Report(request, WINHTTP_CALLBACK_STATUS_CONNECTING_TO_SERVER);
    return true;
  });
  try {
    Send("http://169.254.169.254/", nullptr, Context{}.WithTimeout(std::chrono::milliseconds{20}));
    ADD_FAILURE() << "the request was answered";
  } catch (Error const& error) {
    EXPECT_EQ(error.Code(), errors::DeadlineExceeded);
    EXPECT_TRUE(error.Details().NothingSent);
  }
}

TEST_P(WinHttpTransportTest, AConnectionThatIsNotReadyInTimeIsGivenUp) {
  options_.ConnectTimeout = std::chrono::milliseconds{20};
  ON_CALL(*http_, SendRequest).WillByDefault([this](HINTERNET request, DWORD, DWORD_PTR) {
    http_->Report(request, WINHTTP_CALLBACK_STATUS_CONNECTING_TO_SERVER);
    return true;
  });
  auto const failure = FailureOf("https://example.com/");
  EXPECT_EQ(failure.Code, errors::DeadlineExceeded);
  EXPECT_THAT(failure.What, HasSubstr("ConnectTimeout"));
  EXPECT_TRUE(failure.NothingSent);
}

TEST_P(WinHttpTransportTest, AHandleThatWinHttpClosesLateOutlivesTheRequest) {
  // As Wine does, and as Windows may: the closing is reported when the caller has long gone.
  std::vector<std::function<void()>> late;
  auto const context = Context{}.WithCancellation();
  // Not by a deadline: that may pass before there is a handle.
  ON_CALL(*http_, SendRequest).WillByDefault([&context](HINTERNET, DWORD, DWORD_PTR) {
    context.Cancel();
    return true;
  });
  EXPECT_CALL(*http_, CloseHandle).WillRepeatedly([&](HINTERNET handle) {
    late.emplace_back([this, handle] {
      testing::Mock::VerifyAndClear(http_.get());
      ON_CALL(*http_, CloseHandle).WillByDefault(Return(true));
      http_->Report(handle, WINHTTP_CALLBACK_STATUS_READ_COMPLETE, nullptr, 4);
      http_->Report(handle, WINHTTP_CALLBACK_STATUS_HANDLE_CLOSING);
    });
    return true;
  });
  EXPECT_THROW(Send("https://example.com/", nullptr, context), Error);
  ASSERT_FALSE(late.empty());
  late.front()();
  transport_.reset();
  http_ = std::make_shared<NiceMock<FakeWinHttp>>();
}

TEST_P(WinHttpTransportTest, ALostPooledConnectionIsReplacedOnce) {
  ON_CALL(*http_, SendRequest).WillByDefault([&](HINTERNET request, DWORD, DWORD_PTR) {
    // The first request's connection is offered to the second one, which finds it dead; the third attempt gets a new one.
    bool const isDead = http_->RequestsSent == 1;
    if (http_->ReportConnection(request, !isDead, isDead || http_->RequestsSent == 0 ? 7 : 8)) {
      if (isDead) {
        http_->ReportError(request, ERROR_WINHTTP_CONNECTION_ERROR);
      } else {
        http_->Report(request, WINHTTP_CALLBACK_STATUS_SENDREQUEST_COMPLETE);
      }
    }
    return true;
  });
  auto const a = MakeNamedBinding("a");
  Send("https://example.com/", a);
  EXPECT_EQ(Send("https://example.com/", a)->StatusCode, 200);
  EXPECT_EQ(http_->RequestsSent, 3);
}

TEST_P(WinHttpTransportTest, ALostNewConnectionIsNotReplacedAndNamesRenegotiationWhereBound) {
  ON_CALL(*http_, ReceiveResponse).WillByDefault([this](HINTERNET handle) {
    http_->ReportError(handle, ERROR_WINHTTP_CONNECTION_ERROR);
    return true;
  });
  auto const bound = FailureOf("https://example.com/", MakeNamedBinding("a"));
  EXPECT_EQ(bound.Code, errors::ConnectionLostDuringBinding);
  EXPECT_THAT(bound.Action, HasSubstr("renegotiation"));
  EXPECT_EQ(FailureOf("https://example.com/").Code, errors::ConnectionLost);
  EXPECT_EQ(http_->RequestsSent, 2);
}

TEST_P(WinHttpTransportTest, AnAnswerThatIsCutOffIsAnError) {
  http_->Header = L"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n";
  auto const response = Send("https://example.com/");
  EXPECT_THROW(ReadToEnd(*response->Body, 100, {}), Error);
  EXPECT_THROW(ReadToEnd(*response->Body, 100, {}), Error) << "a stream that has thrown throws again";
}

TEST_P(WinHttpTransportTest, AnAnswerWithoutABodyEndsAtOnce) {
  http_->Header = L"HTTP/1.1 204 No Content\r\n\r\n";
  http_->Body.clear();
  EXPECT_EQ(ReadToEnd(*Send("https://example.com/")->Body, 100, {}), "");
}

TEST_P(WinHttpTransportTest, HeaderLimitsHold) {
  options_.Limits.HeaderCount = 1;
  http_->Header = L"HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\n\r\n";
  EXPECT_EQ(FailureOf("https://example.com/").Code, errors::HeaderCountLimitExceeded);
  http_->Header = L"HTTP/1.1 200 OK\r\nA: " + std::wstring(TransportLimits{}.LineBytes, L'x') + L"\r\n\r\n";
  EXPECT_EQ(FailureOf("https://example.com/").Code, errors::LineBytesLimitExceeded);
}

TEST_P(WinHttpTransportTest, AnOverrideConnectsElsewhereAndNamesTheHostOfTheUrl) {
  options_.ConnectOverrides = {{"vault.example:443", "127.0.0.1:8443"}};
  EXPECT_CALL(*http_, Connect(_, StrEq(L"vault.example"), 8443));
  EXPECT_CALL(*http_, AddRequestHeaders(_, StrEq(L"Host: vault.example\r\n"), _)).WillOnce(Return(true));
  // The certificate of an override is always verified here; the fake has none to show.
  EXPECT_EQ(FailureOf("https://vault.example/").Code, errors::ServerCertificateRejected);
  EXPECT_TRUE(http_->Option(ResolutionHostname).has_value());
  EXPECT_EQ(http_->RequestsSent, 0);
}

/// Over a WinHTTP that shares connections between sessions: it offers each request the connection that has rested
/// longest, whosever it is, unless it is sent without keep-alive. What counts is what went out, not what the answer
/// says of itself.
TEST_P(WinHttpTransportTest, ManyThreadsWithManyBindingsKeepApart) {
  std::mutex mutex;
  std::deque<std::uint16_t> resting;
  std::map<HINTERNET, std::uint16_t> used;
  std::set<HINTERNET> withoutKeepAlive;
  std::uint16_t newest = 0;
  int refused = 0;
  ON_CALL(*http_, SetOption(_, WINHTTP_OPTION_DISABLE_FEATURE, _, _))
      .WillByDefault([&](HINTERNET request, DWORD, void* value, DWORD) {
        if ((*static_cast<DWORD*>(value) & WINHTTP_DISABLE_KEEP_ALIVE) != 0) {
          std::lock_guard<std::mutex> const lock{mutex};
          withoutKeepAlive.insert(request);
        }
        return true;
      });
  ON_CALL(*http_, SendRequest).WillByDefault([&](HINTERNET request, DWORD, DWORD_PTR) {
    std::unique_lock<std::mutex> lock{mutex};
    bool const isNew = resting.empty() || withoutKeepAlive.count(request) != 0;
    auto const port = isNew ? ++newest : resting.front();
    if (!isNew) {
      resting.pop_front();
    }
    used[request] = port;
    lock.unlock();
    if (http_->ReportConnection(request, isNew, port)) {
      http_->Report(request, WINHTTP_CALLBACK_STATUS_SENDREQUEST_COMPLETE);
    } else {
      lock.lock();
      ++refused;
    }
    return true;
  });
  ON_CALL(*http_, ReceiveResponse).WillByDefault([&](HINTERNET request) {
    {
      std::lock_guard<std::mutex> const lock{mutex};
      if (withoutKeepAlive.count(request) == 0) {
        resting.push_back(used.at(request));
      }
    }
    http_->Report(request, WINHTTP_CALLBACK_STATUS_HEADERS_AVAILABLE);
    return true;
  });
  auto const a = MakeNamedBinding("a");
  auto const b = MakeNamedBinding("b");
  auto const c = MakeNamedBinding("c");
  std::map<std::wstring, std::shared_ptr<BindingCertificate const>> const bindings{
      {L"/", nullptr}, {L"/a", a}, {L"/b", b}, {L"/c", c}};
  auto& transport = Transport();
  std::vector<std::thread> threads;
  for (auto const& [target, binding] : bindings) {
    threads.emplace_back([&transport, target = "https://example.com/" + (binding ? binding->X5tS256() : ""), &binding] {
      for (int count = 0; count < 50; ++count) {
        Request request{"GET", Url::Parse(target)};
        auto const response = transport.Send(request, binding, {});
        EXPECT_EQ(response->Connection.X5tS256, binding ? binding->X5tS256() : "");
        EXPECT_EQ(ReadToEnd(*response->Body, 100, {}), "hello");
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  auto const sendings = http_->Sendings();
  EXPECT_EQ(sendings.size(), 200U);
  EXPECT_GT(refused, 0) << "nobody was offered another's connection";
  std::map<std::uint16_t, std::wstring> ofConnection;
  std::map<HINTERNET, std::wstring> ofSession;
  for (auto const& sending : sendings) {
    auto const& binding = bindings.at(sending.Target);
    EXPECT_EQ(sending.Certificate, binding ? binding->Leaf() : std::vector<std::uint8_t>{});
    EXPECT_EQ(ofConnection.emplace(sending.LocalPort, sending.Target).first->second, sending.Target);
    EXPECT_EQ(ofSession.emplace(sending.Session, sending.Target).first->second, sending.Target);
  }
}

INSTANTIATE_TEST_SUITE_P(BothWays, WinHttpTransportTest, testing::Values(Way::Blocking, Way::Asynchronous), NameOf);

}  // namespace
}  // namespace mtlspop::windows_tests
