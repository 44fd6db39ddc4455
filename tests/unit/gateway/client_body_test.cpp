#include "gateway/client_body.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <future>
#include <optional>
#include <string>

#include "mtlspop/transport/error.hpp"

namespace mtlspop::gateway {
namespace {

/// A client whose bytes come when the test says so.
class Client final {
 public:
  ClientBody::Source Source() {
    return [this](gsl::span<std::uint8_t> into, Completion<std::size_t> done) {
      ++Asked;
      into_ = into;
      done_ = std::move(done);
    };
  }
  bool IsAwaited() const { return static_cast<bool>(done_); }
  std::size_t Room() const { return into_.size(); }
  void Send(std::string const& text) {
    std::memcpy(into_.data(), text.data(), text.size());
    std::exchange(done_, nullptr)(text.size());
  }
  void Leave() { std::exchange(done_, nullptr)(std::make_exception_ptr(std::runtime_error("left"))); }

  int Asked = 0;

 private:
  gsl::span<std::uint8_t> into_;
  Completion<std::size_t> done_;
};

/// One that waits for the next bytes.
class Reader final {
 public:
  explicit Reader(ClientBody& body, std::size_t most = 8, Context const& context = {}) : room_(most, '\0') {
    body.ReadAsync(
        {reinterpret_cast<std::uint8_t*>(room_.data()), most}, context,
        [this](Outcome<std::size_t> outcome) { told_.set_value(std::move(outcome)); });
  }
  /// @throw what the body failed with
  std::string Text() {
    auto outcome = told_.get_future().get();
    return room_.substr(0, std::move(outcome).Take());
  }

 private:
  std::string room_;
  std::promise<Outcome<std::size_t>> told_;
};

std::string ReadHere(ClientBody& body, std::size_t most = 8) {
  std::string room(most, '\0');
  return room.substr(0, body.Read({reinterpret_cast<std::uint8_t*>(room.data()), most}, {}));
}

TEST(GatewayClientBody, GivesWhatCameAtOnceInPieces) {
  Client client;
  ClientBody body{client.Source(), std::nullopt};
  EXPECT_FALSE(body.NeverWaits());
  Reader first{body};
  client.Send("abcdefghijklmnopqrst");
  EXPECT_EQ(first.Text(), "abcdefgh");
  EXPECT_TRUE(body.NeverWaits());
  EXPECT_EQ(ReadHere(body), "ijklmnop");
  EXPECT_EQ(Reader(body).Text(), "qrst");
  EXPECT_EQ(client.Asked, 1);
  EXPECT_FALSE(body.NeverWaits()) << "nobody knows where it ends";
  Reader last{body};
  client.Send("");
  EXPECT_EQ(last.Text(), "");
  EXPECT_TRUE(body.NeverWaits());
  EXPECT_EQ(ReadHere(body), "");
  EXPECT_EQ(client.Asked, 2);
}

TEST(GatewayClientBody, EndsWhereItsLengthSays) {
  Client client;
  ClientBody body{client.Source(), 10};
  EXPECT_EQ(body.Length(), 10U);
  Reader first{body, 20};
  EXPECT_EQ(client.Room(), 10U) << "as much memory as it needs";
  client.Send("abc");
  EXPECT_EQ(first.Text(), "abc");
  Reader second{body, 20};
  EXPECT_EQ(client.Room(), 7U) << "behind what is kept";
  client.Send("defghij");
  EXPECT_EQ(second.Text(), "defghij");
  EXPECT_TRUE(body.NeverWaits());
  EXPECT_EQ(ReadHere(body), "");
  EXPECT_EQ(client.Asked, 2);
}

TEST(GatewayClientBody, CanBeSentAgainUntilMoreHasComeThanIsHeld) {
  Client client;
  ClientBody body{client.Source(), std::nullopt};
  std::string const whole(ClientBody::HeldBytes, 'a');
  Reader first{body, ClientBody::HeldBytes};
  client.Send(whole);
  EXPECT_EQ(first.Text(), whole);
  EXPECT_TRUE(body.TryRewind());
  EXPECT_EQ(ReadHere(body, ClientBody::HeldBytes), whole);
  Reader second{body};
  EXPECT_FALSE(body.TryRewind()) << "what comes is put over it";
  client.Send("");
  EXPECT_EQ(second.Text(), "");
  EXPECT_TRUE(body.TryRewind()) << "nothing has come";
  EXPECT_EQ(ReadHere(body, ClientBody::HeldBytes), whole);
}

TEST(GatewayClientBody, OfALongOneOnlyTheLastPieceIsHeld) {
  Client client;
  ClientBody body{client.Source(), std::uint64_t{1} << 40U};
  Reader first{body, ClientBody::HeldBytes};
  client.Send(std::string(ClientBody::HeldBytes, 'a'));
  first.Text();
  Reader second{body, 4};
  EXPECT_EQ(client.Room(), ClientBody::HeldBytes);
  client.Send("bcdefg");
  EXPECT_EQ(second.Text(), "bcde");
  EXPECT_FALSE(body.TryRewind());
  EXPECT_EQ(ReadHere(body), "fg");
}

// The server has refused the token before the body was there: the request goes out again, while its first sending still waits.
TEST(GatewayClientBody, IsSentAgainWhileSomebodyWaitsWhoHasGivenUp) {
  Client client;
  ClientBody body{client.Source(), std::nullopt};
  Reader before{body};
  client.Send("abc");
  EXPECT_EQ(before.Text(), "abc");
  Reader givenUp{body};
  EXPECT_TRUE(body.TryRewind());
  EXPECT_THROW(givenUp.Text(), Error);
  EXPECT_EQ(ReadHere(body), "abc");
  Reader again{body};
  EXPECT_EQ(client.Asked, 2) << "one at a time";
  client.Send("def");
  EXPECT_EQ(again.Text(), "def");
}

// The server has answered before the body was there.
TEST(GatewayClientBody, IsNotWaitedForByWhomHasBeenCancelled) {
  Client client;
  ClientBody body{client.Source(), std::nullopt};
  for (bool const isBefore : {false, true}) {
    auto const context = Context{}.WithCancellation();
    if (isBefore) context.Cancel();
    Reader reader{body, 8, context};
    context.Cancel();
    try {
      reader.Text();
      FAIL();
    } catch (Error const& error) {
      EXPECT_EQ(error.Code(), errors::Cancelled);
    }
  }
  Reader next{body};
  client.Send("abc");
  EXPECT_EQ(next.Text(), "abc") << "nothing is lost";
  EXPECT_EQ(client.Asked, 1);
}

TEST(GatewayClientBody, CannotBeSentAgainWhereWhatWasLostMayLieOverIt) {
  Client client;
  ClientBody body{client.Source(), std::nullopt};
  Reader first{body, ClientBody::HeldBytes};
  client.Send(std::string(ClientBody::HeldBytes, 'a'));
  first.Text();
  Reader second{body};
  client.Leave();
  EXPECT_THROW(second.Text(), Error);
  EXPECT_FALSE(body.TryRewind());
}

TEST(GatewayClientBody, FailsWhereTheClientLeaves) {
  Client client;
  ClientBody body{client.Source(), std::nullopt};
  Reader first{body};
  client.Leave();
  try {
    first.Text();
    FAIL();
  } catch (Error const& error) {
    EXPECT_EQ(error.Code(), errors::RequestBodyFailed);
  }
  EXPECT_FALSE(body.NeverWaits());
}

TEST(GatewayClientBody, MayBeGoneBeforeTheClientSends) {
  Client client;
  auto body = std::make_unique<ClientBody>(client.Source(), std::nullopt);
  Reader first{*body};
  EXPECT_TRUE(body->TryRewind());
  EXPECT_THROW(first.Text(), Error);
  body = nullptr;
  client.Send("late");
}

}  // namespace
}  // namespace mtlspop::gateway
