// Which session and which connection a request travels on.

#include <chrono>
#include <cstring>
#include <future>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <winsock2.h>

#include <ws2tcpip.h>

#include "support/event.hpp"
#include "support/manual_clock.hpp"
#include "winhttp_transport_fixture.hpp"

namespace mtlspop::windows_tests {
namespace {

using testing::_;
using testing::Return;

constexpr DWORD DisableGlobalPooling = 195;

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

/// Keeps what it is told of closed connections.
class Closings final : public Observer {
 public:
  void OnEvent(Event const& event) override {
    if (event.Name != "transport.connection_closed") return;
    std::lock_guard<std::mutex> const lock{mutex_};
    told_.push_back(
        std::string{event.Text("host")} + ' ' + std::to_string(event.Number("connection")) + ' ' +
        std::string{event.Text("reason")} + ' ' + std::string{event.Text("x5t_s256")});
  }
  std::vector<std::string> Told() const {
    std::lock_guard<std::mutex> const lock{mutex_};
    return told_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> told_;
};

/// WinHTTP does not say of a connection when it closes it: it is told with its session's end, and once.
TEST_P(WinHttpTransportTest, TellsOfConnectionsThatAreClosedWithTheirSession) {
  auto const closings = std::make_shared<Closings>();
  options_.Observer = closings;
  ON_CALL(*http_, SendRequest).WillByDefault([&, port = std::uint16_t{6}](HINTERNET request, DWORD, DWORD_PTR) mutable {
    if (http_->ReportConnection(request, true, ++port)) {
      http_->Report(request, WINHTTP_CALLBACK_STATUS_SENDREQUEST_COMPLETE);
    }
    return true;
  });
  Send("https://example.com/", MakeNamedBinding("a"));
  Send("https://example.org/");
  EXPECT_TRUE(closings->Told().empty());
  Transport().DropConnections("a");
  EXPECT_TRUE(test::Eventually([&] { return closings->Told().size() == 1; }));
  transport_.reset();
  EXPECT_TRUE(test::Eventually([&] { return closings->Told().size() == 2; }));
  EXPECT_THAT(
      closings->Told(), testing::ElementsAre("example.com 1 binding_dropped a", "example.org 2 transport_gone "));
}

TEST_P(WinHttpTransportTest, AnIdleSessionIsClosedWithoutAnotherRequest) {
  auto const clock = std::make_shared<test::ManualClock>();
  options_.Time = gsl::not_null<std::shared_ptr<Clock>>{clock};
  options_.Pool.IdleTimeout = std::chrono::milliseconds{60};
  for (int round = 0; round < 2; ++round) {
    Send("https://example.com/", MakeNamedBinding("a"));
    Send("https://example.com/");
    EXPECT_GT(http_->OpenHandles(), 0U) << "no time has passed";
    clock->Advance(options_.Pool.IdleTimeout);
    EXPECT_TRUE(test::Eventually([&] { return http_->OpenHandles() == 0; }));
  }
}

TEST_P(WinHttpTransportTest, ASessionInUseIsNotIdleThoughItsTimeHasPassed) {
  auto const clock = std::make_shared<test::ManualClock>();
  options_.Time = gsl::not_null<std::shared_ptr<Clock>>{clock};
  options_.Pool.IdleTimeout = std::chrono::milliseconds{60};
  auto response = Send("https://example.com/", MakeNamedBinding("a"));
  clock->Advance(options_.Pool.IdleTimeout);
  // A request of another session, which looks at all.
  Send("https://example.com/");
  EXPECT_EQ(Transport().PoolStatistics().Bindings, 1U);
  response.reset();
  clock->Advance(options_.Pool.IdleTimeout);
  EXPECT_TRUE(test::Eventually([&] { return http_->OpenHandles() == 0; }));
}

/// Closing a session may call back, and whoever is called back may ask the transport.
TEST_P(WinHttpTransportTest, IdleSessionsAreClosedWhenNoLockIsHeld) {
  auto const clock = std::make_shared<test::ManualClock>();
  options_.Time = gsl::not_null<std::shared_ptr<Clock>>{clock};
  auto& transport = Transport();
  Send("https://example.com/", MakeNamedBinding("a"));
  bool isAnswered = true;
  EXPECT_CALL(*http_, CloseHandle).WillRepeatedly([&](HINTERNET handle) {
    auto const asked = std::async(std::launch::async, [&] { return transport.PoolStatistics(); });
    isAnswered = isAnswered && asked.wait_for(test::Event::Patience) == std::future_status::ready;
    return http_->Close(handle);
  });
  clock->Advance(options_.Pool.IdleTimeout);
  Send("https://example.com/", MakeNamedBinding("b"));
  testing::Mock::VerifyAndClear(http_.get());
  ON_CALL(*http_, CloseHandle).WillByDefault([this](HINTERNET handle) { return http_->Close(handle); });
  EXPECT_TRUE(isAnswered);
  EXPECT_EQ(Transport().PoolStatistics().Bindings, 1U);
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

}  // namespace
}  // namespace mtlspop::windows_tests
