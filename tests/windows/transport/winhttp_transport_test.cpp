// What the transport does with WinHTTP, over a WinHTTP that answers as the test says.

#include <array>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include <winsock2.h>

#include <ws2tcpip.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_winhttp.hpp"
#include "schannel/async_request.hpp"
#include "schannel/http_transport.hpp"
#include "support/awaiting_transport.hpp"
#include "test_certificates.hpp"

namespace mtlspop::windows_tests {
namespace {

using testing::_;
using testing::AllOf;
using testing::HasSubstr;
using testing::NiceMock;
using testing::Not;
using testing::Return;
using testing::StrEq;

constexpr DWORD ResolutionHostname = 165;
constexpr DWORD DisableProxyAuthSchemes = 193;
constexpr DWORD DisableGlobalPooling = 195;

/// Each test is run over both ways: on a thread that waits, and on none.
enum class Way { Blocking, Asynchronous };

class WinHttpTransportTest : public testing::TestWithParam<Way> {
 protected:
  ~WinHttpTransportTest() override {
    transport_.reset();
    EXPECT_EQ(http_->OpenHandles(), 0U) << "handles are left behind";
  }

  HttpTransport& Transport() {
    if (!transport_) {
      transport_ = schannel::MakeWinHttpTransport(options_, http_).get();
      if (GetParam() == Way::Asynchronous) transport_ = test::AwaitAsynchronous(transport_);
    }
    return *transport_;
  }

  std::unique_ptr<Response> Send(
      std::string const& url,
      std::shared_ptr<BindingCertificate const> const& binding = nullptr,
      Context const& context = {}) {
    Request request{"GET", Url::Parse(url)};
    return Transport().Send(request, binding, context);
  }

  ErrorDetails FailureOf(Request& request, std::shared_ptr<BindingCertificate const> const& binding = nullptr) {
    try {
      Transport().Send(request, binding, {});
    } catch (Error const& error) {
      return error.Details();
    }
    ADD_FAILURE() << "the request was answered";
    return ErrorDetails{ErrorCode{"none"}, {}, {}};
  }

  ErrorDetails FailureOf(std::string const& url, std::shared_ptr<BindingCertificate const> const& binding = nullptr) {
    Request request{"GET", Url::Parse(url)};
    return FailureOf(request, binding);
  }

  std::shared_ptr<NiceMock<FakeWinHttp>> http_ = std::make_shared<NiceMock<FakeWinHttp>>();
  TransportOptions options_ = [] {
    TransportOptions options;
    options.Proxy.UseEnvironment = false;
    return options;
  }();
  std::shared_ptr<HttpTransport> transport_;
};

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

  ON_CALL(*http_, SendRequest).WillByDefault(Return(true));  // Never answers.
  std::vector<HINTERNET> closing;
  EXPECT_CALL(*http_, CloseHandle).WillRepeatedly([&](HINTERNET handle) {
    closing.push_back(handle);
    return true;
  });
  auto second = make();
  EXPECT_THROW(Send("https://example.com/", second, Context{}.WithTimeout(std::chrono::milliseconds{1})), Error);
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

TEST_P(WinHttpTransportTest, EachBindingHasASessionOfItsOwn) {
  EXPECT_CALL(*http_, Open).Times(3);
  auto const a = MakeNamedBinding("a");
  auto const b = MakeNamedBinding("b");
  for (int round = 0; round < 3; ++round) {
    Send("https://example.com/", a);
    Send("https://example.com/", b);
    Send("https://example.com/");
  }
  EXPECT_EQ(Transport().PoolStatistics().Bindings, 2U);
}

/// "This is impacted by later setting max connections manually", says the documentation of the option.
TEST_P(WinHttpTransportTest, ASessionSharesNoConnectionsAndThatIsTheLastThingItIsTold) {
  std::map<HINTERNET, std::vector<std::pair<DWORD, DWORD>>> told;
  EXPECT_CALL(*http_, SetOption).WillRepeatedly([&](HINTERNET handle, DWORD option, void* value, DWORD bytes) {
    told[handle].emplace_back(option, bytes == sizeof(DWORD) ? *static_cast<DWORD*>(value) : 0);
    return http_->TakeOption(handle, option, value, bytes);
  });
  std::vector<HINTERNET> sessions;
  EXPECT_CALL(*http_, Connect).WillRepeatedly([&](HINTERNET session, wchar_t const*, INTERNET_PORT) {
    sessions.push_back(session);
    return nullptr;
  });
  FailureOf("https://example.com/", MakeNamedBinding("a"));
  FailureOf("https://example.com/");
  ASSERT_EQ(sessions.size(), 2U);
  for (auto* const session : sessions) {
    EXPECT_EQ(told[session].back(), std::make_pair(DisableGlobalPooling, static_cast<DWORD>(TRUE)));
  }
}

TEST_P(WinHttpTransportTest, AWindowsWhoseSessionsAlwaysShareConnectionsIsServed) {
  http_->LastErrorCode = ERROR_WINHTTP_INVALID_OPTION;
  EXPECT_CALL(*http_, SetOption).Times(testing::AnyNumber());
  EXPECT_CALL(*http_, SetOption(_, DisableGlobalPooling, _, _)).WillOnce(Return(false));
  EXPECT_EQ(Send("https://example.com/", MakeNamedBinding("a"))->StatusCode, 200);
}

TEST_P(WinHttpTransportTest, ASessionThatMayShareConnectionsForAnotherReasonIsNotUsed) {
  http_->LastErrorCode = ERROR_WINHTTP_INCORRECT_HANDLE_STATE;
  EXPECT_CALL(*http_, SetOption).Times(testing::AnyNumber());
  EXPECT_CALL(*http_, SetOption(_, DisableGlobalPooling, _, _)).WillOnce(Return(false));
  EXPECT_CALL(*http_, Connect).Times(0);
  auto const failure = FailureOf("https://example.com/", MakeNamedBinding("a"));
  EXPECT_EQ(failure.Code, errors::SystemFailure);
  EXPECT_TRUE(failure.NothingSent);
}

TEST_P(WinHttpTransportTest, ADroppedBindingsSessionIsClosedAndTheNextOneIsKept) {
  auto const a = MakeNamedBinding("a");
  Send("https://example.com/", a);
  Transport().DropConnections("a");
  EXPECT_EQ(http_->OpenHandles(), 0U);
  Send("https://example.com/", a);
  auto const kept = http_->OpenHandles();
  EXPECT_GT(kept, 0U);
  Send("https://example.com/", a);
  EXPECT_EQ(http_->OpenHandles(), kept);
  EXPECT_EQ(Transport().PoolStatistics().Dropped, 1U);
}

TEST_P(WinHttpTransportTest, DroppingNobodysConnectionsLeavesThoseWithoutABinding) {
  Send("https://example.com/", nullptr);
  auto const kept = http_->OpenHandles();
  Transport().DropConnections("");
  EXPECT_EQ(http_->OpenHandles(), kept);
}

TEST_P(WinHttpTransportTest, AConnectionOfAnotherSessionIsRefusedBeforeAByteIsSent) {
  constexpr std::uint16_t port = 7;
  ON_CALL(*http_, SendRequest).WillByDefault([&](HINTERNET request, DWORD, DWORD_PTR) {
    // A WinHTTP that pools across sessions: the second request gets the connection of the first one.
    bool const isFirst = http_->RequestsSent == 0;
    if (http_->ReportConnection(request, isFirst, port)) {
      http_->Report(request, WINHTTP_CALLBACK_STATUS_SENDREQUEST_COMPLETE);
    }
    return true;
  });
  Send("https://example.com/", MakeNamedBinding("a"));
  auto const failure = FailureOf("https://example.com/", MakeNamedBinding("b"));
  EXPECT_EQ(failure.Code, errors::SystemFailure);
  EXPECT_TRUE(failure.NothingSent);
  EXPECT_EQ(http_->RequestsSent, 1) << "the second request must not leave on the first one's connection";
}

/// The same certificate, and a WinHTTP that keeps a dropped session's connection for the next one.
TEST_P(WinHttpTransportTest, ADroppedConnectionDoesNotComeBackWithTheNextSession) {
  constexpr std::uint16_t port = 7;
  ON_CALL(*http_, SendRequest).WillByDefault([&](HINTERNET request, DWORD, DWORD_PTR) {
    bool const isFirst = http_->RequestsSent == 0;
    if (http_->ReportConnection(request, isFirst, port)) {
      http_->Report(request, WINHTTP_CALLBACK_STATUS_SENDREQUEST_COMPLETE);
    }
    return true;
  });
  Send("https://example.com/", MakeNamedBinding("a"));
  Transport().DropConnections("a");
  auto const failure = FailureOf("https://example.com/", MakeNamedBinding("a"));
  EXPECT_TRUE(failure.NothingSent);
  EXPECT_EQ(http_->RequestsSent, 1) << "the second request must not leave on the dropped connection";
}

/// A WinHTTP that has a connection of another session's for every try, and one that says of none which it is.
TEST_P(WinHttpTransportTest, WhatCannotBeUsedIsNotAskedForWithoutEnd) {
  constexpr int foreignAtMost = 16;
  constexpr int unknownAtMost = 2;
  for (auto const port : {std::uint16_t{7}, std::uint16_t{0}}) {
    int tries = 0;
    ON_CALL(*http_, SendRequest).WillByDefault([this, port, &tries](HINTERNET request, DWORD, DWORD_PTR) {
      ++tries;
      http_->ReportConnection(request, false, port);
      return true;
    });
    auto const failure = FailureOf("https://example.com/", MakeNamedBinding("a"));
    EXPECT_EQ(failure.Code, errors::SystemFailure);
    EXPECT_TRUE(failure.NothingSent);
    EXPECT_EQ(tries, port == 0 ? unknownAtMost : foreignAtMost);
  }
  EXPECT_EQ(http_->RequestsSent, 0);
}

TEST_P(WinHttpTransportTest, AnotherConnectionIsAskedForWithoutKeepAlive) {
  auto const keepsAlive = [this] {
    return (http_->Option(WINHTTP_OPTION_DISABLE_FEATURE).value_or(0) & WINHTTP_DISABLE_KEEP_ALIVE) == 0;
  };
  for (auto const unusable : {std::uint16_t{7}, std::uint16_t{0}}) {
    std::vector<bool> keptAlive;
    ON_CALL(*http_, SendRequest).WillByDefault([&, unusable](HINTERNET request, DWORD, DWORD_PTR) {
      keptAlive.push_back(keepsAlive());
      bool const isFirst = keptAlive.size() == 1;
      if (http_->ReportConnection(request, !isFirst, isFirst ? unusable : std::uint16_t{8})) {
        http_->Report(request, WINHTTP_CALLBACK_STATUS_SENDREQUEST_COMPLETE);
      }
      return true;
    });
    auto const response = Send("https://example.com/", MakeNamedBinding("a"));
    EXPECT_FALSE(response->Connection.Reused);
    EXPECT_THAT(keptAlive, testing::ElementsAre(true, false));
  }
  EXPECT_EQ(http_->RequestsSent, 2);
}

/// WinHTTP was sending again by itself, and does not say where. It has gone out once.
TEST_P(WinHttpTransportTest, WhatMayNotBeRepeatedIsNotRepeatedForAConnectionThatIsNotNamed) {
  ON_CALL(*http_, SendRequest).WillByDefault([this](HINTERNET request, DWORD, DWORD_PTR) {
    http_->ReportConnection(request, true, 7);
    http_->ReportConnection(request, false, 0);
    return true;
  });
  Request request{"POST", Url::Parse("https://example.com/")};
  auto const failure = FailureOf(request, MakeNamedBinding("a"));
  EXPECT_EQ(failure.Code, errors::SystemFailure);
  EXPECT_FALSE(failure.NothingSent);
  EXPECT_EQ(http_->RequestsSent, 1);
}

/// A port of this side may serve connections to several places at a time.
TEST_P(WinHttpTransportTest, AConnectionToAnotherPlaceFromTheSamePortIsAnotherConnection) {
  ON_CALL(*http_, SendRequest).WillByDefault([&, calls = 0](HINTERNET request, DWORD, DWORD_PTR) mutable {
    ++calls;
    http_->RemotePort = calls == 2 ? 2 : 1;
    if (http_->ReportConnection(request, calls != 2, calls == 3 ? 8 : 7)) {
      http_->Report(request, WINHTTP_CALLBACK_STATUS_SENDREQUEST_COMPLETE);
    }
    return true;
  });
  auto const a = MakeNamedBinding("a");
  Send("https://example.com/", a);
  EXPECT_FALSE(Send("https://example.com/", a)->Connection.Reused);
  EXPECT_EQ(http_->RequestsSent, 2);
}

TEST_P(WinHttpTransportTest, ARequestThatMeetsAForeignConnectionGoesToAnotherOne) {
  ON_CALL(*http_, SendRequest).WillByDefault([this, calls = 0](HINTERNET request, DWORD, DWORD_PTR) mutable {
    ++calls;
    bool const isForeign = calls == 1;
    if (http_->ReportConnection(request, !isForeign, static_cast<std::uint16_t>(calls))) {
      http_->Report(request, WINHTTP_CALLBACK_STATUS_SENDREQUEST_COMPLETE);
    }
    return true;
  });
  auto const response = Send("https://example.com/", MakeNamedBinding("a"));
  EXPECT_EQ(response->Connection.X5tS256, "a");
  EXPECT_FALSE(response->Connection.Reused);
  EXPECT_EQ(http_->RequestsSent, 1);
}

TEST_P(WinHttpTransportTest, AnOwnConnectionIsReused) {
  ON_CALL(*http_, SendRequest).WillByDefault([&](HINTERNET request, DWORD, DWORD_PTR) {
    http_->ReportConnection(request, http_->RequestsSent == 0, 7);
    http_->Report(request, WINHTTP_CALLBACK_STATUS_SENDREQUEST_COMPLETE);
    return true;
  });
  auto const a = MakeNamedBinding("a");
  auto const first = Send("https://example.com/", a)->Connection;
  auto const second = Send("https://example.com/", a)->Connection;
  EXPECT_FALSE(first.Reused);
  EXPECT_TRUE(second.Reused);
  EXPECT_EQ(first.Id, second.Id);
  EXPECT_EQ(Transport().PoolStatistics().Reused, 1U);
}

/// WinHTTP may send a request again by itself, on a connection that it takes from its pool.
TEST_P(WinHttpTransportTest, AnotherSendingOfTheSameRequestIsCheckedAsWell) {
  ON_CALL(*http_, SendRequest).WillByDefault([&](HINTERNET request, DWORD, DWORD_PTR) {
    bool const isOfA = http_->RequestsSent == 0;
    bool isSent = http_->ReportConnection(request, true, static_cast<std::uint16_t>(7 + http_->RequestsSent));
    if (isSent && !isOfA) {
      isSent = http_->ReportConnection(request, false, 7);
    }
    if (isSent) {
      http_->Report(request, WINHTTP_CALLBACK_STATUS_SENDREQUEST_COMPLETE);
    }
    return true;
  });
  Send("https://example.com/", MakeNamedBinding("a"));
  Request request{"POST", Url::Parse("https://example.com/")};
  auto const failure = FailureOf(request, MakeNamedBinding("b"));
  EXPECT_EQ(failure.Code, errors::ConnectionLost);
  EXPECT_FALSE(failure.NothingSent) << "its first sending";
  EXPECT_EQ(http_->RequestsSent, 2) << "one of each: the second sending of the second one was refused";
}

TEST_P(WinHttpTransportTest, AnotherSendingOnTheSameConnectionOrOnANewOneIsTheRequestsOwn) {
  ON_CALL(*http_, SendRequest).WillByDefault([&](HINTERNET request, DWORD, DWORD_PTR) {
    http_->ReportConnection(request, true, 7);
    http_->ReportConnection(request, false, 7);
    http_->ReportConnection(request, true, 8);
    http_->ReportConnection(request, false, 8);
    http_->Report(request, WINHTTP_CALLBACK_STATUS_SENDREQUEST_COMPLETE);
    return true;
  });
  auto const connection = Send("https://example.com/", MakeNamedBinding("a"))->Connection;
  EXPECT_FALSE(connection.Reused);
  EXPECT_EQ(connection.Id, 2U);
  EXPECT_EQ(http_->RequestsSent, 4);
}

/// Windows promises nothing about the bytes of a SOCKADDR_STORAGE behind the address.
TEST_P(WinHttpTransportTest, AConnectionIsKnownByItsAddressAndPortAlone) {
  for (auto const family : {AF_INET, AF_INET6}) {
    ON_CALL(*http_, QueryOption)
        .WillByDefault([family, fill = 0](HINTERNET, DWORD option, void* value, DWORD* bytes) mutable {
          if (option != WINHTTP_OPTION_CONNECTION_INFO) {
            return false;
          }
          std::memset(value, ++fill, *bytes);
          auto* const local = &static_cast<WINHTTP_CONNECTION_INFO*>(value)->LocalAddress;
          if (family == AF_INET) {
            auto* const address = reinterpret_cast<sockaddr_in*>(local);
            address->sin_family = AF_INET;
            address->sin_port = 7;
            address->sin_addr.s_addr = 0x0100007F;
          } else {
            auto* const address = reinterpret_cast<sockaddr_in6*>(local);
            address->sin6_family = AF_INET6;
            address->sin6_port = 7;
            std::memset(&address->sin6_addr, 1, sizeof address->sin6_addr);
          }
          return true;
        });
    ON_CALL(*http_, SendRequest).WillByDefault([&, isFirst = true](HINTERNET request, DWORD, DWORD_PTR) mutable {
      http_->ReportConnection(request, std::exchange(isFirst, false), 7);
      http_->Report(request, WINHTTP_CALLBACK_STATUS_SENDREQUEST_COMPLETE);
      return true;
    });
    auto const a = MakeNamedBinding("a");
    EXPECT_FALSE(Send("https://example.com/", a)->Connection.Reused);
    EXPECT_TRUE(Send("https://example.com/", a)->Connection.Reused);
  }
}

/// As above, by a Windows that does not say which connection a request is about to be sent on.
TEST_P(WinHttpTransportTest, AConnectionThatIsReusedAndNotNamedIsRefusedBeforeAByteIsSent) {
  ON_CALL(*http_, QueryOption).WillByDefault(Return(false));
  ON_CALL(*http_, SendRequest).WillByDefault([&](HINTERNET request, DWORD, DWORD_PTR) {
    if (http_->ReportConnection(request, http_->RequestsSent == 0, 7)) {
      http_->Report(request, WINHTTP_CALLBACK_STATUS_SENDREQUEST_COMPLETE);
    }
    return true;
  });
  Send("https://example.com/", MakeNamedBinding("a"));
  for (auto const& binding : {MakeNamedBinding("a"), MakeNamedBinding("b"), decltype(MakeNamedBinding("")){}}) {
    auto const failure = FailureOf("https://example.com/", binding);
    EXPECT_EQ(failure.Code, errors::SystemFailure);
    EXPECT_TRUE(failure.NothingSent);
  }
  EXPECT_EQ(http_->RequestsSent, 1);
  EXPECT_EQ(Send("http://169.254.169.254/")->StatusCode, 200) << "plain http shows no certificates";
}

TEST_P(WinHttpTransportTest, AConnectionWithoutAnAddressIsOneThatIsNotNamed) {
  ON_CALL(*http_, QueryOption).WillByDefault([](HINTERNET, DWORD option, void* value, DWORD* bytes) {
    std::memset(value, 0, *bytes);
    return option == WINHTTP_OPTION_CONNECTION_INFO;
  });
  ON_CALL(*http_, SendRequest).WillByDefault([&](HINTERNET request, DWORD, DWORD_PTR) {
    http_->ReportConnection(request, http_->RequestsSent == 0, 7);
    http_->Report(request, WINHTTP_CALLBACK_STATUS_SENDREQUEST_COMPLETE);
    return true;
  });
  Send("https://example.com/", MakeNamedBinding("a"));
  EXPECT_EQ(FailureOf("https://example.com/", MakeNamedBinding("a")).Code, errors::SystemFailure);
  EXPECT_EQ(http_->RequestsSent, 1);
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
  ON_CALL(*http_, SendRequest).WillByDefault(Return(true));
  EXPECT_CALL(*http_, CloseHandle).WillRepeatedly([&](HINTERNET handle) {
    late.emplace_back([this, handle] {
      testing::Mock::VerifyAndClear(http_.get());
      ON_CALL(*http_, CloseHandle).WillByDefault(Return(true));
      http_->Report(handle, WINHTTP_CALLBACK_STATUS_READ_COMPLETE, nullptr, 4);
      http_->Report(handle, WINHTTP_CALLBACK_STATUS_HANDLE_CLOSING);
    });
    return true;
  });
  EXPECT_THROW(Send("https://example.com/", nullptr, Context{}.WithTimeout(std::chrono::milliseconds{1})), Error);
  ASSERT_FALSE(late.empty());
  late.front()();
  transport_.reset();
  http_ = std::make_shared<NiceMock<FakeWinHttp>>();
}

TEST_P(WinHttpTransportTest, ABodyOfKnownLengthIsSentAsItIs) {
  Request request{"POST", Url::Parse("https://example.com/")};
  request.SetBody(std::string(200'000, 'x'));
  EXPECT_CALL(*http_, SendRequest(_, 200'000, _));
  Transport().Send(request, nullptr, {});
  EXPECT_EQ(http_->Written(), std::string(200'000, 'x'));
}

/// A body that does not know its length.
class UnknownLength final : public BodyStream {
 public:
  explicit UnknownLength(std::vector<std::string> pieces) : pieces_(std::move(pieces)) {}
  std::size_t Read(gsl::span<std::uint8_t> buffer, Context const&) override {
    if (next_ == pieces_.size()) {
      return 0;
    }
    auto const& piece = pieces_[next_++];
    std::copy(piece.begin(), piece.end(), buffer.begin());
    return piece.size();
  }

 private:
  std::vector<std::string> pieces_;
  std::size_t next_ = 0;
};

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

std::string NameOf(testing::TestParamInfo<Way> const& way) {
  return way.param == Way::Blocking ? "Blocking" : "Asynchronous";
}
INSTANTIATE_TEST_SUITE_P(BothWays, WinHttpTransportTest, testing::Values(Way::Blocking, Way::Asynchronous), NameOf);
INSTANTIATE_TEST_SUITE_P(BothWays, WinHttpProxyTest, testing::Values(Way::Blocking, Way::Asynchronous), NameOf);

/// Everything runs where the application says, and waiting takes no thread: this one pumps for all.
TEST(WinHttpAsynchronousTest, AHundredRequestsInFlightNeedOneThread) {
  auto const http = std::make_shared<NiceMock<FakeWinHttp>>();
  std::deque<HINTERNET> pending;
  ON_CALL(*http, SendRequest).WillByDefault([&](HINTERNET request, DWORD, DWORD_PTR) {
    pending.push_back(request);
    return true;
  });
  std::deque<std::function<void()>> tasks;
  auto const pump = [&tasks] {
    while (!tasks.empty()) {
      auto const task = std::move(tasks.front());
      tasks.pop_front();
      task();
    }
  };
  TransportOptions options;
  options.Proxy.UseEnvironment = false;
  options.Callbacks = [&tasks](std::function<void()> task) { tasks.push_back(std::move(task)); };
  {
    auto const transport = schannel::MakeWinHttpTransport(options, http);
    std::vector<std::unique_ptr<Response>> answers;
    for (int count = 0; count < 100; ++count) {
      auto request = std::make_shared<Request>("POST", Url::Parse("https://example.com/"));
      request->SetBody("abc");
      transport->SendAsync(std::move(request), nullptr, {}, [&answers](Outcome<std::unique_ptr<Response>> outcome) {
        answers.push_back(std::move(outcome).Take());
      });
    }
    EXPECT_TRUE(pending.empty()) << "nothing is done on the caller's stack";
    pump();
    EXPECT_EQ(pending.size(), 100U);
    EXPECT_TRUE(answers.empty());
    for (auto* const request : pending) {
      http->ReportConnection(request, true, static_cast<std::uint16_t>(1000 + http->RequestsSent));
      http->Report(request, WINHTTP_CALLBACK_STATUS_SENDREQUEST_COMPLETE);
    }
    EXPECT_TRUE(answers.empty()) << "nothing of the caller's runs on a thread of WinHTTP's";
    pump();
    ASSERT_EQ(answers.size(), 100U);
    std::array<std::uint8_t, 100> buffer{};
    std::size_t read = 0;
    answers.front()->Body->ReadAsync(
        buffer, {}, [&read](Outcome<std::size_t> outcome) { read = std::move(outcome).Take(); });
    EXPECT_EQ(read, 0U);
    pump();
    EXPECT_EQ(read, 5U);
  }
  EXPECT_EQ(http->Written().size(), 300U);
  EXPECT_EQ(http->OpenHandles(), 0U);
}

TEST(WinHttpAsynchronousTest, ARequestThatIsNullIsRefusedAtOnce) {
  auto const transport = schannel::MakeWinHttpTransport({}, std::make_shared<NiceMock<FakeWinHttp>>());
  EXPECT_THROW(transport->SendAsync(nullptr, nullptr, {}, [](auto) { FAIL(); }), Error);
}

}  // namespace
}  // namespace mtlspop::windows_tests
