#include "gateway/connection.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <mutex>

#include "gateway/answer_head.hpp"
#include "gateway/passing_on.hpp"
#include "gateway/raw_client.hpp"
#include "gateway/runtime.hpp"
#include "support/event.hpp"

namespace mtlspop::test {
namespace {

using gateway::Connection;
using gateway::ConnectionSettings;
using gateway::Exchange;
using gateway::Listener;
using gateway::Runtime;
using gateway::Site;
using std::chrono::milliseconds;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class ScriptedSite final : public Site {
 public:
  using Script = std::function<void(std::shared_ptr<Exchange>)>;
  explicit ScriptedSite(Script script) : script_(std::move(script)) {}
  void Handle(std::shared_ptr<Exchange> exchange) override { script_(std::move(exchange)); }

 private:
  Script const script_;
};

// Gives pieces of 10,000 bytes without end, or so many and then fails.
class EndlessBody final : public BodyStream {
 public:
  explicit EndlessBody(std::shared_ptr<std::atomic<int>> pieces, int failsAfter = -1)
      : pieces_(std::move(pieces)), failsAfter_(failsAfter) {}

  std::size_t Read(gsl::span<std::uint8_t> buffer, Context const& context) override {
    context.ThrowIfEnded("reading");
    if (failsAfter_ >= 0 && *pieces_ >= failsAfter_) throw Error{{errors::ConnectionLost, "It broke off", "Nothing"}};
    ++*pieces_;
    auto const count = std::min<std::size_t>(buffer.size(), 10'000);
    std::fill_n(buffer.data(), count, std::uint8_t{'x'});
    return count;
  }

 private:
  std::shared_ptr<std::atomic<int>> const pieces_;
  int const failsAfter_;
};

std::unique_ptr<Response> Text(std::string text) { return gateway::TextAnswer(200, {}, std::move(text)); }

std::unique_ptr<Response> Streamed(std::unique_ptr<BodyStream> body) {
  auto answer = gateway::TextAnswer(200, {}, {});
  answer->Body = std::move(body);
  return answer;
}

// Answers with the body of the request, read as a transport reads it.
void Echo(std::shared_ptr<Exchange> const& exchange, std::shared_ptr<std::string> const& text) {
  if (!exchange->Body()) return exchange->Answer(Text("no body"));
  auto buffer = std::make_shared<std::array<std::uint8_t, 7>>();
  exchange->Body()->ReadAsync(*buffer, {}, [exchange, text, buffer](Outcome<std::size_t> outcome) {
    if (!outcome.HasValue()) return exchange->Fail(outcome.Failure());
    auto const count = std::move(outcome).Take();
    if (count == 0) return exchange->Answer(Text("body: " + *text));
    text->append(reinterpret_cast<char const*>(buffer->data()), count);
    Echo(exchange, text);
  });
}

class GatewayConnection : public testing::Test {
 protected:
  RawClient Connected(ScriptedSite::Script script) {
    auto const listener = Listener::OnLoopback(runtime_.Loops(), 0);
    auto settings = std::make_shared<ConnectionSettings>(settings_);
    runtime_.Serve(listener, std::make_shared<ScriptedSite>(std::move(script)), std::move(settings));
    return RawClient{listener->Port()};
  }
  RawClient Echoing() {
    return Connected([](auto exchange) { Echo(exchange, std::make_shared<std::string>()); });
  }
  ConnectionSettings& Settings() { return settings_; }
  Runtime& Running() { return runtime_; }

 private:
  ConnectionSettings settings_;
  Runtime runtime_{std::make_shared<gateway::Loops>(), 8};
};
class AttackGatewayConnection : public GatewayConnection {};

constexpr char const* Get = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr char const* LastGet = "GET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

TEST_F(GatewayConnection, AnswersWhatWasSentInOneGoInItsOrder) {
  auto client = Connected([](auto exchange) { exchange->Answer(Text(exchange->Head().Target)); });
  client.Send(std::string{Get} + Get + LastGet);
  auto const answers = client.ReadAll();
  EXPECT_THAT(answers, EndsWith("/b"));
  EXPECT_LT(answers.find("/a"), answers.rfind("/a"));
}

TEST_F(GatewayConnection, ReadsBodiesWithALengthAndInChunks) {
  auto client = Echoing();
  client.Send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\nabcdefghijklmnopqrst");
  client.Send(
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5;x=y\r\nabcde\r\n3\r\nfgh\r\n0\r\nx-trailer: dropped\r\n\r\n");
  client.Send(LastGet);
  EXPECT_THAT(
      client.ReadAll(), AllOf(
                            HasSubstr("body: abcdefghijklmnopqrst"), HasSubstr("body: abcdefgh"), EndsWith("no body"),
                            Not(HasSubstr("trailer"))));
}

// A body is sent again where the server refused the token: what was read is kept, up to a limit.
TEST_F(GatewayConnection, KeepsTheBeginningOfABodyForAnotherTry) {
  auto client = Connected([](auto exchange) {
    std::thread{[exchange] {
      auto& stream = *exchange->Body();
      auto const first = ReadToEnd(stream, 1'000'000, {});
      bool const again = stream.TryRewind();
      auto const second = again ? ReadToEnd(stream, 1'000'000, {}) : std::string{};
      exchange->Answer(Text(again && first == second ? "the same" : again ? "another" : "not kept"));
    }}.detach();
  });
  client.Send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n" + std::string(60'000, 'k'));
  client.Send(
      "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 70000\r\n\r\n" + std::string(70'000, 'l'));
  EXPECT_THAT(client.ReadAll(), AllOf(HasSubstr("the same"), EndsWith("not kept")));
}

// What cannot be sent again is not sent before the server has taken the token.
TEST_F(GatewayConnection, HasTheServerAskForABodyThatIsTooLongToBeKept) {
  auto client = Connected([](auto exchange) {
    auto const request = gateway::RequestFor(*exchange, Url::Parse("https://a.example" + exchange->Head().Target));
    exchange->Answer(Text(request->ExpectContinue ? "[asks]" : "[sends]"));
  });
  client.Send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 65536\r\n\r\n" + std::string(65'536, 's'));
  EXPECT_THAT(client.ReadHead(), StartsWith("HTTP/1.1 200 "));
  client.Send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n" + std::string(65'537, 'l'));
  client.Send(Get);
  // The connection ends with it: how much nobody has read of it is not known.
  client.Send("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
  auto const answers = client.ReadAll();
  std::string kinds;
  for (auto at = answers.find('['); at != std::string::npos; at = answers.find('[', at + 1)) {
    kinds += answers.substr(at, answers.find(']', at) - at + 1);
  }
  EXPECT_EQ(kinds, "[sends][asks][sends][asks]");
}

TEST_F(GatewayConnection, SaysContinueWhenTheBodyIsWantedAndNotBefore) {
  auto client = Echoing();
  client.Send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(client.ReadHead(), StartsWith("HTTP/1.1 100 "));
  client.Send("abc");
  EXPECT_THAT(client.ReadAll(), EndsWith("body: abc"));

  auto refused = Connected([](auto exchange) { exchange->Answer(Text("no need")); });
  refused.Send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  EXPECT_THAT(
      refused.ReadAll(), AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("Connection: close"), EndsWith("no need")));
}

TEST_F(GatewayConnection, GoesOnAfterABodyThatNobodyRead) {
  auto client = Connected([](auto exchange) { exchange->Answer(Text("unread")); });
  client.Send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 27\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n");
  client.Send(LastGet);
  auto const answers = client.ReadAll();
  EXPECT_EQ(answers.find("HTTP/1.1", answers.find("HTTP/1.1", 1) + 1), std::string::npos) << answers;
}

TEST_F(GatewayConnection, SpeaksToClientsOfHttp10) {
  auto client = Connected([](auto exchange) {
    exchange->Answer(Streamed(std::make_unique<EndlessBody>(std::make_shared<std::atomic<int>>(0), 3)));
  });
  client.Send("GET / HTTP/1.0\r\n\r\n");
  EXPECT_THAT(client.ReadAll(), AllOf(HasSubstr("Connection: close"), Not(HasSubstr("chunked"))));
}

TEST_F(AttackGatewayConnection, AnAnswerThatBreaksOffDoesNotLookWhole) {
  auto client = Connected([](auto exchange) {
    exchange->Answer(Streamed(std::make_unique<EndlessBody>(std::make_shared<std::atomic<int>>(0), 3)));
  });
  client.Send(LastGet);
  EXPECT_THAT(client.ReadAll(), AllOf(HasSubstr("chunked"), Not(EndsWith("0\r\n\r\n"))));
}

TEST_F(GatewayConnection, TellsWhoeverWorksForAClientThatHasLeft) {
  Event left;
  Event arrived;
  std::shared_ptr<Exchange> kept;
  CancellationRegistration registration;
  {
    auto client = Connected([&](auto exchange) {
      kept = exchange;
      registration = exchange->Patience().OnCancelled([&] { left.Set(); });
      arrived.Set();
    });
    client.Send(Get);
    ASSERT_TRUE(arrived.Wait());
  }
  EXPECT_TRUE(left.Wait());
}

TEST_F(GatewayConnection, ReadsNoMoreOfAnAnswerThanTheClientTakes) {
  auto const pieces = std::make_shared<std::atomic<int>>(0);
  auto client = Connected([&](auto exchange) { exchange->Answer(Streamed(std::make_unique<EndlessBody>(pieces))); });
  client.Send(Get);
  client.ReadHead();
  int before = -1;
  // Until the sockets' buffers are full.
  EXPECT_TRUE(Eventually([&] { return std::exchange(before, pieces->load()) == pieces->load() && before > 0; }));
  EXPECT_LT(pieces->load(), 2'000) << "20 MB: nobody buffers for a client that does not read";
}

TEST_F(GatewayConnection, ClosesWhereNobodyAnswers) {
  auto client = Connected([](auto) {});
  client.Send(Get);
  EXPECT_EQ(client.ReadAll(), "");
}

TEST_F(AttackGatewayConnection, SlowClientsAreLeft) {
  Settings().Limits.FirstRequestTime = milliseconds{50};
  EXPECT_TRUE(Echoing().IsClosed()) << "one that says nothing";

  Settings().Limits.FirstRequestTime = milliseconds{60'000};
  Settings().Limits.IdleTime = milliseconds{50};
  auto idle = Echoing();
  idle.Send(Get);
  EXPECT_THAT(idle.ReadAll(), EndsWith("no body")) << "one that says nothing more";

  Settings().Limits.IdleTime = milliseconds{60'000};
  Settings().Limits.HeaderTime = milliseconds{50};
  auto header = Echoing();
  header.Send("GET / HTTP/1.1\r\nHo");
  EXPECT_TRUE(header.IsClosed()) << "one that does not come to the end of its header";

  Settings().Limits.HeaderTime = milliseconds{10'000};
  Settings().Limits.BodyTime = milliseconds{50};
  auto body = Echoing();
  body.Send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc");
  EXPECT_THAT(body.ReadAll(), AllOf(StartsWith("HTTP/1.1 408 "), HasSubstr("x-mtlspop-error: body_too_slow")))
      << "one that does not come to the end of its body";
  Settings().Limits.BodyTime = milliseconds{0};
  Settings().Limits.BodyBytesPerSecond = 1'000'000'000;
  auto trickle = Echoing();
  trickle.Send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc");
  EXPECT_THAT(trickle.ReadAll(), StartsWith("HTTP/1.1 408 ")) << "one whose body comes too slowly";

  Settings().Limits.WriteTime = milliseconds{50};
  auto const pieces = std::make_shared<std::atomic<int>>(0);
  Event gone;
  Settings().Observe = [&](gateway::ExchangeRecord const& record) {
    if (!record.IsComplete) gone.Set();
  };
  auto reader = Connected([&](auto exchange) { exchange->Answer(Streamed(std::make_unique<EndlessBody>(pieces))); });
  reader.Send(Get);
  EXPECT_TRUE(gone.Wait()) << "one that does not read its answer";
}

// Of a body the end counts: a large one takes its time.
TEST_F(GatewayConnection, GivesTheServerItsTimeFromTheEndOfTheBody) {
  std::mutex mutex;
  std::shared_ptr<Exchange> kept;
  std::atomic<bool> hasDeadline{true};
  Settings().Limits.ExchangeTime = milliseconds{50};
  auto client = Connected([&](auto exchange) {
    hasDeadline = exchange->Patience().Deadline() != Context::TimePoint::max();
    auto buffer = std::make_shared<std::array<std::uint8_t, 16>>();
    exchange->Body()->ReadAsync(*buffer, {}, [&, exchange, buffer](Outcome<std::size_t>) {
      std::lock_guard<std::mutex> const lock{mutex};
      kept = exchange;  // and nobody answers
    });
  });
  client.Send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
  EXPECT_THAT(client.ReadAll(), AllOf(StartsWith("HTTP/1.1 504 "), HasSubstr("x-mtlspop-error: deadline_exceeded")));
  EXPECT_FALSE(hasDeadline) << "which would hold for the body too";
  std::lock_guard<std::mutex> const lock{mutex};
  EXPECT_TRUE(kept->Patience().IsCancelled()) << "whoever works for it is told";
}

TEST_F(GatewayConnection, TellsTheClientWhichIdTheLogHas) {
  std::mutex mutex;
  std::vector<std::string> logged;
  Settings().Observe = [&](gateway::ExchangeRecord const& record) {
    std::lock_guard<std::mutex> const lock{mutex};
    logged.push_back(record.CorrelationId);
  };
  auto const refusing = [](auto exchange) {
    exchange->Refuse({403, "refused_by_a_test", "It is a test", "Look at it"});
  };
  auto const idIn = [](std::string const& answer) {
    auto const begin = answer.find("x-ms-client-request-id: ") + 24;
    return answer.substr(begin, answer.find("\r\n", begin) - begin);
  };
  std::string const ofTheClient = "run_7.step:" + std::string(60, 'a');
  for (auto const& given : {ofTheClient, std::string(200, 'b'), std::string{"two words"}, std::string{}}) {
    auto client = Connected(refusing);
    client.Send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nx-ms-client-request-id: " + given + "\r\n\r\n");
    auto const answer = client.ReadAll();
    std::lock_guard<std::mutex> const lock{mutex};
    ASSERT_FALSE(logged.empty());
    EXPECT_EQ(idIn(answer), logged.back());
    EXPECT_THAT(answer, HasSubstr("\"correlation_id\":\"" + logged.back() + "\""));
    EXPECT_EQ(logged.back() == given, given == ofTheClient) << given;
  }
  auto malformed = Connected(refusing);
  malformed.Send("nonsense\r\n\r\n");
  auto const answer = malformed.ReadAll();
  std::lock_guard<std::mutex> const lock{mutex};
  EXPECT_EQ(idIn(answer), logged.back());
  EXPECT_NE(logged.back(), "");
}

// One that is taken in at the same moment is told as those before it were.
TEST(GatewayConnections, EndAlsoThoseThatComeAfterwards) {
  using gateway::Connections;
  using gateway::Ending;
  auto const connections = std::make_shared<Connections>(4);
  auto const before = connections->Take();
  connections->End(Ending::AfterRequest);
  std::vector<Ending> told;
  auto const after = connections->Take();
  for (auto const& seat : {before, after}) seat->OnEnd([&](Ending how) { told.push_back(how); });
  EXPECT_THAT(told, testing::ElementsAre(Ending::AfterRequest, Ending::AfterRequest));
  connections->End(Ending::Now);
  EXPECT_THAT(told, testing::ElementsAre(Ending::AfterRequest, Ending::AfterRequest, Ending::Now, Ending::Now));
}

// Whoever can connect to one listener takes no place of another's clients.
TEST_F(AttackGatewayConnection, OfOneListenerTakeNoPlaceOfAnothers) {
  auto const site = std::make_shared<ScriptedSite>([](auto exchange) { exchange->Answer(Text("served")); });
  auto const strangers = Listener::OnLoopback(Running().Loops(), 0);
  Running().Serve(strangers, site, std::make_shared<ConnectionSettings>(), 2);
  auto const served = [](RawClient& client) {
    client.Send(Get);
    return client.ReadHead();
  };
  RawClient one{strangers->Port()};
  RawClient two{strangers->Port()};
  EXPECT_THAT(served(one), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(served(two), StartsWith("HTTP/1.1 200 "));
  EXPECT_TRUE(RawClient{strangers->Port()}.IsClosed());
  EXPECT_EQ(Running().Clients()->Count(), 0U);
  EXPECT_EQ(Running().CountConnections(), 2U);
  auto own = Echoing();
  EXPECT_THAT(served(own), StartsWith("HTTP/1.1 200 "));
}

TEST_F(AttackGatewayConnection, ThereAreNoMoreThanThereMayBe) {
  auto const listener = Listener::OnLoopback(Running().Loops(), 0);
  Running().Serve(
      listener, std::make_shared<ScriptedSite>([](auto exchange) { exchange->Answer(Text("served")); }),
      std::make_shared<ConnectionSettings>());
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int count = 0; count < 8; ++count) {
    clients.push_back(std::make_unique<RawClient>(listener->Port()));
    clients.back()->Send(Get);
    EXPECT_THAT(clients.back()->ReadHead(), StartsWith("HTTP/1.1 200 "));
  }
  EXPECT_TRUE(RawClient{listener->Port()}.IsClosed());
  clients.pop_back();
  EXPECT_TRUE(Eventually([&] { return Running().Clients()->Count() < 8; }));
  RawClient next{listener->Port()};
  next.Send(Get);
  EXPECT_THAT(next.ReadHead(), StartsWith("HTTP/1.1 200 "));
}

TEST_F(GatewayConnection, FinishesRequestsUnderWayWhenItStops) {
  std::mutex mutex;
  std::shared_ptr<Exchange> kept;
  Event arrived;
  auto client = Connected([&](auto exchange) {
    std::lock_guard<std::mutex> const lock{mutex};
    kept = std::move(exchange);
    arrived.Set();
  });
  client.Send(Get);
  ASSERT_TRUE(arrived.Wait());
  std::thread stopping{[&] { Running().Stop(milliseconds{10'000}); }};
  {
    std::lock_guard<std::mutex> const lock{mutex};
    kept->Answer(Text("done in time"));
    kept = nullptr;
  }
  EXPECT_THAT(client.ReadAll(), EndsWith("done in time"));
  stopping.join();
}

}  // namespace
}  // namespace mtlspop::test
