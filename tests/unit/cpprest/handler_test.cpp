// Before cpprestsdk, whose macro U is a name that GoogleTest uses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cpprest/containerstream.h>
#include <cpprest/producerconsumerstream.h>

#include <atomic>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "handler_test.hpp"
#include "mtlspop/cpprest/http_exception.hpp"
#include "mtlspop/policies/errors.hpp"
#include "mtlspop/transport/log.hpp"
#include "support/error_code_of.hpp"
#include "support/event.hpp"

namespace mtlspop::cpprest {
namespace {

using namespace mtlspop::test;
using test::Event;
using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;
using testing::SizeIs;
using testing::StartsWith;
using web::http::http_exception;
using web::http::http_pipeline_stage;
using web::http::http_request;
using web::http::http_response;
using web::http::methods;
using web::http::client::http_client;
using web::http::client::http_client_config;

/// An empty body that says when it was read to its end.
class EmptyBody final : public BodyStream {
 public:
  explicit EmptyBody(std::shared_ptr<Event> ended) : ended_(std::move(ended)) {}
  std::size_t Read(gsl::span<std::uint8_t>, Context const&) override {
    ended_->Set();
    return 0;
  }

 private:
  std::shared_ptr<Event> ended_;
};

TEST_F(HandlerTest, AuthorizesAndAnswersAsAClientDoes) {
  transport_->Then([](auto const&) {
    auto response = MakeResponse(201, "Content-Type", "application/json", R"({"value":"x"})");
    response->ReasonPhrase = "Made";
    response->Fields.Add("Set-Cookie", "a=1");
    response->Fields.Add("Set-Cookie", "b=2");
    return response;
  });
  auto client = MakeTestClient();
  auto response = client.request(methods::GET, U("/secrets/a?b=c")).get();
  EXPECT_EQ(response.status_code(), 201);
  EXPECT_EQ(response.reason_phrase(), U("Made"));
  EXPECT_EQ(response.headers()[U("set-cookie")], U("a=1, b=2"));
  EXPECT_EQ(response.extract_json().get().at(U("value")).as_string(), U("x"));
  auto const sent = transport_->Sent()[0];
  EXPECT_EQ(sent.Url, "https://a.example/base/secrets/a?b=c");
  EXPECT_EQ(sent.Fields.Get("Authorization"), "mtls_pop bound-token");
  EXPECT_THAT(sent.Fields.Get("User-Agent"), HasSubstr("cpprestsdk/"));
  EXPECT_EQ(sent.Binding->X5tS256(), "key-1");
}

TEST_F(HandlerTest, NamesTheLibraryBesideCpprestsdk) {
  MakeTestClient().request(methods::GET).get();
  auto options = Options();
  options.UserAgent = "app/1.0 mtlspop";
  MakeClient(U("https://a.example"), credential_, {}, options).request(methods::GET).get();
  options.UserAgent = "";
  MakeClient(U("https://a.example"), credential_, {}, options).request(methods::GET).get();
  web::http::http_request request{methods::GET};
  request.headers().add(U("User-Agent"), U("the application/2"));
  MakeTestClient().request(request).get();
  auto const sent = transport_->Sent();
  EXPECT_THAT(sent.at(0).Fields.Get("User-Agent"), StartsWith(DefaultUserAgent() + " cpprestsdk/"));
  EXPECT_THAT(sent.at(1).Fields.Get("User-Agent"), StartsWith("app/1.0 mtlspop cpprestsdk/"));
  EXPECT_THAT(sent.at(2).Fields.Get("User-Agent"), StartsWith("cpprestsdk/"));
  EXPECT_EQ(sent.at(3).Fields.Get("User-Agent"), "the application/2");
}

/// Keeps what it is told.
class Lines final : public Observer {
 public:
  void OnEvent(mtlspop::Event const& event) override { All.push_back(ToLine(event)); }

  std::vector<std::string> All;
};

/// A handler cannot lead its credential through the client's proxy, and says so, once.
TEST_F(HandlerTest, SaysThatAProxyDoesNotServeTokens) {
  auto const lines = std::make_shared<Lines>();
  HandlerOptions options;
  options.Observer = lines;
  http_client_config config;
  auto const client = MakeClient(U("https://a.example"), credential_, config, options);
  EXPECT_THAT(lines->All, SizeIs(0)) << "there is none";
  config.set_proxy(web::web_proxy{U("http://proxy.example:3128")});
  auto const proxied = MakeClient(U("https://a.example"), credential_, config, options);
  ASSERT_THAT(lines->All, SizeIs(1));
  EXPECT_THAT(lines->All[0], StartsWith("client.proxy_not_for_tokens host=proxy.example "));
}

TEST_F(HandlerTest, TakesTheLongestTimeoutForNone) {
  http_client_config config;
  config.set_timeout(std::chrono::microseconds::max());
  auto client = MakeTestClient(config);
  EXPECT_EQ(client.request(methods::GET).get().status_code(), 200);
  transport_->ThenAnswer(200, "an answer");
  auto const body = concurrency::streams::bytestream::open_istream(std::string(100'000, 'x'));
  EXPECT_EQ(client.request(methods::PUT, U(""), body).get().extract_utf8string(true).get(), "an answer");
}

TEST_F(HandlerTest, GivesTheBodyInEveryForm) {
  auto client = MakeTestClient();
  transport_->ThenAnswer(200, "Content-Type", "text/plain", "text");
  EXPECT_EQ(client.request(methods::GET).get().extract_string().get(), U("text"));
  transport_->ThenAnswer(200, "Content-Type", "application/octet-stream", "bytes");
  EXPECT_THAT(client.request(methods::GET).get().extract_vector().get(), SizeIs(5));
  transport_->ThenAnswer(200, "Content-Type", "text/plain", std::string(300'000, 'x'));
  concurrency::streams::container_buffer<std::string> all;
  auto const response = client.request(methods::GET).get();
  EXPECT_EQ(response.body().read_to_end(all).get(), 300'000U);
  transport_->ThenAnswer(204);
  EXPECT_EQ(client.request(methods::GET).get().extract_vector().get().size(), 0U);
}

// Only then does the connection go back to its pool.
TEST_F(HandlerTest, ReadsAnEmptyBodyToItsEndBeforeItAnswers) {
  for (int const status : {200, 204, 304}) {
    auto const ended = std::make_shared<Event>();
    transport_->Then([=](auto const&) {
      auto response = MakeResponse(status);
      response->Body = std::make_unique<EmptyBody>(ended);
      return response;
    });
    auto client = MakeTestClient();
    client.request(status == 200 ? methods::HEAD : methods::GET).get();
    EXPECT_TRUE(ended->IsSet()) << status;
  }
}

TEST_F(HandlerTest, SendsBodiesOfKnownAndUnknownLength) {
  auto client = MakeTestClient();
  client.request(methods::PUT, U("/a"), U("the text")).get();
  EXPECT_EQ(transport_->Sent()[0].Body, "the text");
  EXPECT_THAT(transport_->Sent()[0].Fields.Get("Content-Type"), HasSubstr("text/plain"));
  EXPECT_FALSE(transport_->Sent()[0].Fields.Contains("Content-Length"));

  concurrency::streams::producer_consumer_buffer<std::uint8_t> pipe;
  http_request request{methods::POST};
  request.set_body(pipe.create_istream());
  auto const answer = client.request(request);
  std::string const text(100'000, 'y');
  pipe.putn_nocopy(reinterpret_cast<std::uint8_t const*>(text.data()), text.size()).wait();
  pipe.close(std::ios_base::out).wait();
  answer.get();
  EXPECT_EQ(transport_->Sent()[1].Body, text);
}

TEST_F(HandlerTest, SendsABodyAgainFromItsBeginning) {
  transport_->ThenAnswer(503);
  auto client = MakeTestClient();
  client.request(methods::PUT, U("/a"), U("the text")).get();
  EXPECT_EQ(transport_->Sent()[1].Body, "the text");
}

TEST_F(HandlerTest, WritesIntoTheApplicationsOwnStream) {
  transport_->ThenAnswer(200, "Content-Type", "text/plain", "into my stream");
  concurrency::streams::container_buffer<std::vector<std::uint8_t>> mine;
  http_request request{methods::GET};
  request.set_response_stream(mine.create_ostream());
  auto client = MakeTestClient();
  auto const response = client.request(request).get();
  response.content_ready().get();
  EXPECT_EQ(std::string(mine.collection().begin(), mine.collection().end()), "into my stream");
}

TEST_F(HandlerTest, AnswersAtTheHeaderAndStreamsTheRest) {
  auto const gate = std::make_shared<Event>();
  transport_->Then([gate](auto const&) {
    auto response = MakeResponse(200);
    response->Body = std::make_unique<GatedBody>(gate);
    return response;
  });
  auto client = MakeTestClient();
  auto const response = client.request(methods::GET).get();
  gate->Set();
  EXPECT_EQ(response.extract_string(true).get(), U("late"));
}

TEST_F(HandlerTest, TellsTheReaderOfABodyThatItBrokeOff) {
  auto const gate = std::make_shared<Event>();
  gate->Set();
  transport_->Then([gate](auto const&) {
    auto response = MakeResponse(200);
    response->Body = std::make_unique<GatedBody>(gate, "fail");
    return response;
  });
  auto client = MakeTestClient();
  auto const response = client.request(methods::GET).get();
  try {
    response.extract_string(true).get();
    FAIL();
  } catch (http_exception const& error) {
    EXPECT_EQ(error.error_code(), std::errc::connection_aborted);
  }
}

TEST_F(HandlerTest, ReportsProgressBothWays) {
  transport_->ThenAnswer(200, "Content-Type", "text/plain", "answer");
  std::vector<std::pair<bool, std::uint64_t>> seen;
  http_request request{methods::PUT};
  request.set_body(U("question"));
  request.set_progress_handler([&](web::http::message_direction::direction direction, utility::size64_t bytes) {
    seen.emplace_back(direction == web::http::message_direction::upload, bytes);
  });
  auto client = MakeTestClient();
  client.request(request).get().content_ready().get();
  EXPECT_EQ(seen.front(), std::pair(true, std::uint64_t{0}));
  EXPECT_THAT(seen, testing::Contains(std::pair(true, std::uint64_t{8})));
  EXPECT_EQ(seen.back(), std::pair(false, std::uint64_t{6}));
}

TEST_F(HandlerTest, HandsAnExceptionOfTheProgressHandlerOn) {
  http_request request{methods::PUT};
  request.set_body(U("question"));
  request.set_progress_handler([](auto, auto) { throw std::domain_error{"mine"}; });
  auto client = MakeTestClient();
  EXPECT_THROW(client.request(request).get(), std::domain_error);
}

TEST_F(HandlerTest, FailsWithExceptionsThatACpprestsdkUserKnows) {
  transport_->ThenThrow(Error{{errors::ConnectFailed, "what failed", "what to do"}});
  auto client = MakeTestClient();
  try {
    client.request(methods::GET).get();
    FAIL();
  } catch (HttpException const& error) {
    EXPECT_EQ(error.Code(), errors::ConnectFailed);
    EXPECT_EQ(error.error_code(), std::errc::host_unreachable);
    EXPECT_THAT(error.what(), AllOf(HasSubstr("connect_failed"), HasSubstr("what to do")));
  }
}

TEST_F(HandlerTest, FailsClosedOnPlainHttp) {
  auto client = MakeClient(U("http://a.example"), credential_, {}, Options());
  EXPECT_EQ(FailureOf(client.request(methods::GET)), std::errc::permission_denied);
  EXPECT_THAT(transport_->Sent(), SizeIs(0));
}

TEST_F(HandlerTest, RefusesARedirect) {
  transport_->ThenAnswer(302, "Location", "https://elsewhere.example", "");
  auto client = MakeTestClient();
  EXPECT_EQ(FailureOf(client.request(methods::GET)), std::errc::permission_denied);
  EXPECT_THAT(transport_->Sent(), SizeIs(1));
}

TEST_F(HandlerTest, CanBeCancelledBeforeAndWhileItWaits) {
  auto client = MakeTestClient();
  pplx::cancellation_token_source before;
  before.cancel();
  EXPECT_EQ(FailureOf(client.request(methods::GET, U("/"), before.get_token())), std::errc::operation_canceled);

  auto const gate = std::make_shared<Event>();
  transport_->Then([gate](auto const&) {
    auto response = MakeResponse(200);
    response->Body = std::make_unique<GatedBody>(gate);
    return response;
  });
  pplx::cancellation_token_source during;
  auto const response = client.request(methods::GET, U("/"), during.get_token()).get();
  during.cancel();
  try {
    response.extract_string(true).get();
    FAIL();
  } catch (http_exception const& error) {
    EXPECT_EQ(error.error_code(), std::errc::operation_canceled);
  }
}

TEST_F(HandlerTest, KeepsTheTimeoutOfTheClientForEachPieceOfTheBody) {
  http_client_config config;
  config.set_timeout(30ms);
  transport_->Then([](auto const&) {
    auto response = MakeResponse(200);
    response->Body = std::make_unique<GatedBody>(std::make_shared<Event>());
    return response;
  });
  auto client = MakeTestClient(config);
  auto const response = client.request(methods::GET).get();
  try {
    response.extract_string(true).get();
    FAIL();
  } catch (http_exception const& error) {
    EXPECT_EQ(error.error_code(), std::errc::timed_out);
  }
}

TEST_F(HandlerTest, TimesOutWhereTheApplicationsOwnBodyStalls) {
  http_client_config config;
  config.set_timeout(30ms);
  auto client = MakeTestClient(config);
  concurrency::streams::producer_consumer_buffer<std::uint8_t> pipe;
  http_request request{methods::POST};
  request.set_body(pipe.create_istream());
  EXPECT_EQ(FailureOf(client.request(request)), std::errc::timed_out);
  pipe.close().wait();
}

/// Adds its name to a field of the request and to one of the answer.
class MarkingStage final : public http_pipeline_stage {
 public:
  explicit MarkingStage(utility::string_t name) : name_(std::move(name)) {}
  pplx::task<http_response> propagate(http_request request) override {
    request.headers().add(U("Mark"), name_);
    return next_stage()->propagate(request).then([name = name_](http_response response) {
      response.headers().add(U("Mark"), name);
      return response;
    });
  }

 private:
  utility::string_t name_;
};

TEST_F(HandlerTest, LetsOtherHandlersRunBeforeAndAfterIt) {
  http_client client{U("https://a.example")};
  client.add_handler(std::make_shared<MarkingStage>(U("before")));
  client.add_handler(MakeHandler(credential_, Options()));
  client.add_handler([](http_request request, std::shared_ptr<http_pipeline_stage> next) {
    request.headers().add(U("Mark"), U("after"));
    return next->propagate(request);
  });
  client.request(methods::GET).get();
  EXPECT_EQ(transport_->Sent()[0].Fields.Get("Mark"), "before, after");
  EXPECT_TRUE(transport_->Sent()[0].Binding);

  client.add_handler(std::make_shared<MarkingStage>(U("later")));
  EXPECT_EQ(client.request(methods::GET).get().headers()[U("Mark")], U("later, before"));
  EXPECT_EQ(transport_->Sent()[1].Fields.Get("Mark"), "before, after, later");
  EXPECT_TRUE(transport_->Sent()[1].Binding);
}

TEST_F(HandlerTest, LetsAnotherHandlerAnswer) {
  http_client client{U("https://a.example")};
  client.add_handler(MakeHandler(credential_, Options()));
  client.add_handler(
      [](http_request, std::shared_ptr<http_pipeline_stage>) { return pplx::task_from_result(http_response{418}); });
  EXPECT_EQ(client.request(methods::GET).get().status_code(), 418);
  EXPECT_THAT(transport_->Sent(), SizeIs(0));
}

TEST_F(HandlerTest, DoesNotDeadlockWhenEveryContinuationWaitsForAnotherRequest) {
  auto client = MakeTestClient();
  std::vector<pplx::task<int>> tasks;
  for (int i = 0; i < 500; ++i) {
    tasks.push_back(client.request(methods::GET).then([&client](http_response) {
      return client.request(methods::GET)
          .then([](http_response response) { return static_cast<int>(response.status_code()); })
          .get();
    }));
  }
  for (auto const& task : tasks) EXPECT_EQ(task.get(), 200);
}

// The tasks of a response are cpprestsdk's own, and run with their continuations on the few threads of its pool.
TEST_F(HandlerTest, DoesNotDeadlockWhenTheContinuationsOfAResponsesTasksWaitToo) {
  auto client = MakeTestClient();
  auto const readBoth = [&client](http_response const& response) {
    return response.extract_string(true).then([&client](utility::string_t const&) {
      auto const inner = client.request(methods::GET).get();
      return inner.content_ready().then([](http_response const& ready) { return ready.extract_string(true); }).get();
    });
  };
  std::vector<pplx::task<utility::string_t>> tasks;
  for (int i = 0; i < 1000; ++i) transport_->ThenAnswer(200, "text");
  for (int i = 0; i < 500; ++i) tasks.push_back(client.request(methods::GET).then(readBoth));
  for (auto const& task : tasks) EXPECT_EQ(task.get(), U("text"));
}

TEST_F(HandlerTest, KeepsTheOrderWhereTheClientGuaranteesIt) {
  http_client_config config;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  config.set_guarantee_order(true);
#pragma GCC diagnostic pop
  auto client = MakeTestClient(config);
  std::atomic<int> inFlight{0};
  for (int i = 0; i < 50; ++i) {
    transport_->Then([&](auto const&) {
      EXPECT_EQ(++inFlight, 1);
      std::this_thread::yield();
      --inFlight;
      return MakeResponse(200);
    });
  }
  std::vector<pplx::task<http_response>> tasks;
  for (int i = 0; i < 50; ++i)
    tasks.push_back(client.request(methods::GET, U("/") + utility::conversions::to_string_t(std::to_string(i))));
  for (auto const& task : tasks) task.get();
  auto const sent = transport_->Sent();
  for (std::size_t i = 0; i < 50; ++i) EXPECT_EQ(sent[i].Url, "https://a.example/base/" + std::to_string(i));
}

TEST_F(HandlerTest, RefusesWhatABoundRequestCannotHonour) {
  auto const refused = [&](auto change) {
    http_client_config config;
    change(config);
    return ErrorCodeOf([&] { MakeHandler(credential_, Options(config)); });
  };
  auto const invalid = errors::InvalidArgument.Name();
  EXPECT_EQ(refused([](auto& config) { config.set_validate_certificates(false); }), invalid);
  EXPECT_EQ(refused([](auto& config) { config.set_credentials({U("user"), U("password")}); }), invalid);
  EXPECT_EQ(refused([](auto& config) { config.set_proxy(web::web_proxy{U("http://proxy.example")}); }), invalid);
  EXPECT_EQ(
      refused([](auto& config) {
        using namespace web::http::oauth1::experimental;
        config.set_oauth1({{}, {}, {}, {}, {}, {}, oauth1_methods::plaintext});
      }),
      invalid);
  EXPECT_EQ(refused([](auto& config) { config.set_oauth2({{}, {}, {}, {}, {}}); }), invalid);
  EXPECT_EQ(refused([](auto& config) { config.set_proxy(web::web_proxy::use_auto_discovery); }), invalid);
  EXPECT_EQ(ErrorCodeOf([&] { MakeHandler(nullptr, Options()); }), invalid);
  EXPECT_EQ(refused([](auto&) {}), "no error");
}

TEST_F(HandlerTest, KeepsToTheConfigurationOfAClientThatExistsAlready) {
  http_client_config config;
  config.set_validate_certificates(false);
  http_client refused{U("https://a.example"), config};
  EXPECT_EQ(ErrorCodeOf([&] { AddHandler(refused, credential_, Options()); }), errors::InvalidArgument.Name());

  config.set_validate_certificates(true);
  config.set_request_compressed_response(true);
  config.set_timeout(30ms);
  http_client client{U("https://a.example"), config};
  AddHandler(client, credential_, Options());
  transport_->Then([](auto const&) {
    auto response = MakeResponse(200);
    response->Body = std::make_unique<GatedBody>(std::make_shared<Event>());
    return response;
  });
  auto const response = client.request(methods::GET).get();
  EXPECT_THROW(response.content_ready().get(), HttpException);
  EXPECT_TRUE(transport_->Sent()[0].Fields.Contains("Accept-Encoding"));
}

TEST_F(HandlerTest, RefusesToSendWhereAClientHasTwoOfThem) {
  auto client = MakeTestClient();
  AddHandler(client, std::make_shared<FakeCredential>(), Options());
  for (int i = 0; i < 2; ++i) EXPECT_EQ(FailureOf(client.request(methods::GET)), std::errc::invalid_argument);
  EXPECT_THAT(transport_->Sent(), SizeIs(0));
}

}  // namespace
}  // namespace mtlspop::cpprest
