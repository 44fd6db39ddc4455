#include <azure/core/diagnostics/logger.hpp>

#include <cstdlib>

#include "mtlspop/transport/observer.hpp"
#include "support/recorded_spans.hpp"
#include "token_binding_fixture.hpp"

namespace mtlspop::azure {
namespace {

using Azure::Core::Diagnostics::Logger;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;
using testing::StartsWith;

/// Azure's log for the time of a test. One thread at a time.
class AzureLog final {
 public:
  explicit AzureLog(Logger::Level least) {
    Logger::SetLevel(least);
    Logger::SetListener([this](Logger::Level level, std::string const& message) {
      // Azure's own policies write there too.
      if (message.rfind("mtlspop: ", 0) == 0) Lines.emplace_back(level, message.substr(9));
    });
  }
  ~AzureLog() {
    Logger::SetListener(nullptr);
    Logger::SetLevel(Logger::Level::Warning);
  }

  std::vector<std::pair<Logger::Level, std::string>> Lines;
};

using AzureLogTest = TokenBindingTest;

TEST_F(AzureLogTest, HasWhatTheLibraryTellsAtAzuresLevels) {
  AzureLog const log{Logger::Level::Verbose};
  EventSink const sink;
  sink.Tell(Severity::Debug, "a.debug", {{"count", 3}, {"text", "two words"}});
  sink.Tell(Severity::Info, "a.info");
  sink.Tell(Severity::Warning, "a.warning");
  sink.Tell(Severity::Error, "a.error", {{"password", "hunter2"}});
  ASSERT_EQ(log.Lines.size(), 4U);
  EXPECT_EQ(log.Lines[0], std::make_pair(Logger::Level::Verbose, std::string{"a.debug count=3 text=\"two words\""}));
  EXPECT_EQ(log.Lines[1], std::make_pair(Logger::Level::Informational, std::string{"a.info"}));
  EXPECT_EQ(log.Lines[2], std::make_pair(Logger::Level::Warning, std::string{"a.warning"}));
  EXPECT_THAT(log.Lines[3], Pair(Logger::Level::Error, StartsWith("a.error ")));
  EXPECT_THAT(log.Lines[3].second, Not(HasSubstr("hunter2")));
}

/// An application may change Azure's level while it runs, and then hears no more and no less than it asked for.
TEST_F(AzureLogTest, FollowsAzuresLevel) {
  AzureLog const log{Logger::Level::Warning};
  EventSink const sink;
  EXPECT_FALSE(sink.IsEnabled(Severity::Info));
  sink.Tell(Severity::Info, "a.b");
  Logger::SetLevel(Logger::Level::Informational);
  EXPECT_TRUE(sink.IsEnabled(Severity::Info));
  sink.Tell(Severity::Info, "c.d");
  EXPECT_EQ(log.Lines, (decltype(log.Lines){{Logger::Level::Informational, "c.d"}}));
  Logger::SetListener(nullptr);
  EXPECT_FALSE(sink.IsEnabled(Severity::Warning));
}

/// An observer in the options is for metrics, say; Azure's log is switched on and off by Azure's own means.
TEST_F(AzureLogTest, StandsBesideAnObserverOfTheApplicationsOwn) {
  class Counter final : public Observer {
   public:
    void OnEvent(Event const&) override { ++Count; }
    int Count = 0;
  };
  AzureLog const log{Logger::Level::Informational};
  auto const counter = std::make_shared<Counter>();
  EventSink{counter}.Tell(Severity::Info, "a.b");
  EventSink{std::shared_ptr<Observer>{}}.Tell(Severity::Error, "c.d");
  EXPECT_EQ(counter->Count, 1);
  EXPECT_EQ(log.Lines, (decltype(log.Lines){{Logger::Level::Informational, "a.b"}}));
}

TEST_F(AzureLogTest, HearsThatTheClientsOtherCredentialIsNotBound) {
  AzureLog const log{Logger::Level::Warning};
  class Other final : public Azure::Core::Credentials::TokenCredential {
   public:
    Other() : TokenCredential("Other") {}
    Azure::Core::Credentials::AccessToken GetToken(
        TokenRequestContext const&, Azure::Core::Context const&) const override {
      return {"abc", std::chrono::system_clock::now() + std::chrono::hours{1}};
    }
  };
  UseTokenBinding(clientOptions_, credential_);
  Get(MakePipeline(std::make_shared<Other>()));
  EXPECT_THAT(log.Lines, Contains(Pair(Logger::Level::Warning, StartsWith("client.token_not_bound "))));
}

#ifndef _WIN32
/// Whether Azure's listener, and what it holds, is gone already.
bool isListenerGone = false;
bool isToldAtEnd = false;

/// Runs after all static objects were destroyed.
__attribute__((destructor)) void TellAtEnd() {
  if (isToldAtEnd) EventSink{}.Tell(Severity::Error, "a.b");
}

struct Listener {
  Listener() = default;
  Listener(Listener const&) = default;
  ~Listener() {
    if (isToldAtEnd) isListenerGone = true;
  }
  void operator()(Logger::Level, std::string const&) const {
    if (isListenerGone) std::_Exit(3);
  }
};

using AzureLogDeathTest = AzureLogTest;

/// A renewal in the background may have something to tell when the process has nearly ended.
TEST_F(AzureLogDeathTest, IsLeftAloneOnceTheProcessEnds) {
  auto const exit = [] {
    Logger::SetListener(Listener{});
    isToldAtEnd = true;
    std::exit(0);
  };
  EXPECT_EXIT(exit(), testing::ExitedWithCode(0), "");
}
#endif

class TracingTest : public TokenBindingTest {
 protected:
  TracingTest() { clientOptions_.Telemetry.TracingProvider = spans_; }

  /// As a client's method does it.
  void GetSecret() {
    if (!pipeline_) {
      UseTokenBinding(clientOptions_, credential_);
      pipeline_ = std::make_unique<HttpPipeline>(MakePipeline(credential_));
    }
    tracing::TracingContextFactory const factory{clientOptions_, "Microsoft.KeyVault", "keyvault-secrets", "4.0"};
    auto method = factory.CreateTracingContext("SecretClient.GetSecret", {});
    Get(*pipeline_, method.Context);
  }

  std::vector<std::shared_ptr<RecordedSpan>> TokenSpans() const {
    return spans_->Named("BoundTokenCredential.GetToken");
  }

  std::shared_ptr<SpanRecorder> spans_ = std::make_shared<SpanRecorder>();
  std::unique_ptr<HttpPipeline> pipeline_;
};

/// As a real credential: what it has told is what it remembers.
class RememberingCredential final : public mtlspop::TokenCredential {
 public:
  explicit RememberingCredential(AccessToken token) : token_(std::move(token)) {}

  AccessToken GetToken(TokenRequest const&, mtlspop::Context const&) override {
    EventSink{}.Tell(Severity::Info, "token.obtained", {{"type", "mtls_pop"}, {"duration_ms", 7}, {"fallback", false}});
    EventSink{}.Tell(Severity::Debug, "service.sent");
    remembered_ = token_;
    return token_;
  }
  std::optional<AccessToken> TryGetToken(TokenRequest const&) override { return remembered_; }
  void ReportRefusal(TokenRequest const&, AccessToken const&, RefusalReason) noexcept override {
    remembered_.reset();
    token_ = Next;
  }
  std::string_view Name() const noexcept override { return "RememberingCredential"; }

  AccessToken Next;

 private:
  AccessToken token_;
  std::optional<AccessToken> remembered_;
};

TEST_F(TracingTest, ATokenThatIsAskedForIsASpanOfTheClientsCall) {
  BoundTokenCredentialOptions options;
  options.Credential = std::make_shared<RememberingCredential>(Named("t"));
  options.Transport = transport_;
  credential_ = std::make_shared<BoundTokenCredential>(options);
  GetSecret();
  auto const spans = TokenSpans();
  ASSERT_EQ(spans.size(), 1U);
  auto const& span = *spans[0];
  EXPECT_EQ(span.Parent, "SecretClient.GetSecret");
  EXPECT_EQ(span.Attributes.at("az.namespace"), "Microsoft.KeyVault");
  EXPECT_EQ(span.Attributes.at("mtlspop.type"), "mtls_pop");
  EXPECT_EQ(span.Attributes.at("mtlspop.x5t_s256"), "key-1");
  EXPECT_EQ(span.Attributes.count("mtlspop.reason"), 0U);
  EXPECT_TRUE(span.IsEnded);
  EXPECT_FALSE(span.IsError);
  auto const* const obtained = span.Find("token.obtained");
  ASSERT_NE(obtained, nullptr);
  EXPECT_EQ(obtained->at("mtlspop.type"), "mtls_pop");
  EXPECT_EQ(obtained->at("mtlspop.duration_ms"), "7");
  EXPECT_EQ(obtained->at("mtlspop.fallback"), "false");
  // The request itself is Azure's own span.
  ASSERT_EQ(spans_->Named("HTTP GET").size(), 1U);
}

/// A span for each request that took a token from memory would say nothing, and cost its storage.
TEST_F(TracingTest, ATokenFromMemoryIsNone) {
  BoundTokenCredentialOptions options;
  options.Credential = std::make_shared<RememberingCredential>(Named("t"));
  options.Transport = transport_;
  credential_ = std::make_shared<BoundTokenCredential>(options);
  for (int i = 0; i < 3; ++i) GetSecret();
  EXPECT_EQ(spans_->Named("HTTP GET").size(), 3U);
  EXPECT_EQ(TokenSpans().size(), 1U);
}

TEST_F(TracingTest, AnotherTokenAfterARefusalSaysWhy) {
  auto const remembering = std::make_shared<RememberingCredential>(Named("t"));
  remembering->Next = Expiring(MakeBoundToken(Jwt("u"), MakeNamedBinding("key-2")));
  BoundTokenCredentialOptions options;
  options.Credential = remembering;
  options.Transport = transport_;
  credential_ = std::make_shared<BoundTokenCredential>(options);
  transport_->ThenAnswer(401, "www-authenticate", R"(Bearer error="invalid_token")", "");
  GetSecret();
  auto const spans = TokenSpans();
  ASSERT_EQ(spans.size(), 2U);
  EXPECT_EQ(spans[1]->Parent, "SecretClient.GetSecret");
  EXPECT_EQ(spans[1]->Attributes.at("mtlspop.reason"), "token_rejected");
  EXPECT_EQ(spans[1]->Attributes.at("mtlspop.x5t_s256"), "key-2");
}

TEST_F(TracingTest, AFailureIsTheSpans) {
  inner_->Answer = [](auto const&) -> AccessToken {
    throw Error{{errors::ConnectFailed, "nobody answers", "start it"}};
  };
  EXPECT_THROW(GetSecret(), AuthenticationException);
  auto const spans = TokenSpans();
  ASSERT_EQ(spans.size(), 1U);
  EXPECT_TRUE(spans[0]->IsError);
  EXPECT_TRUE(spans[0]->IsEnded);
  EXPECT_THAT(spans[0]->Exception, HasSubstr("nobody answers"));
}

/// What is told when nobody asks for a token is in no span, and another thread's is not in this one's.
TEST_F(TracingTest, WhatIsToldOutsideIsInNoSpan) {
  GetSecret();
  ASSERT_EQ(TokenSpans().size(), 2U);
  EventSink{}.Tell(Severity::Error, "a.b");
  for (auto const& span : TokenSpans()) EXPECT_THAT(span->Events, IsEmpty());
}

TEST_F(TracingTest, NothingIsTracedWithoutAProvider) {
  clientOptions_.Telemetry.TracingProvider = nullptr;
  GetSecret();
  EXPECT_EQ(transport_->Sent().size(), 1U);
  EXPECT_THAT(TokenSpans(), IsEmpty());
}

}  // namespace
}  // namespace mtlspop::azure
