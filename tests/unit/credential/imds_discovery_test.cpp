// Section 2 of the wire contract: which version is there, if any, and what a lost connection means.
#include <atomic>
#include <chrono>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_cloud.hpp"
#include "mtlspop/credential/errors.hpp"
#include "support/error_code_of.hpp"
#include "support/event.hpp"

namespace mtlspop::test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// Answers probes, and nothing else.
Interceptor::Function AnswerProbes(Answer answer) {
  return [answer](Arrived const& arrived) { return IsProbe(arrived) ? std::make_optional(answer) : std::nullopt; };
}

/// Of the transport.
Error Transport(ErrorCode code, bool nothingSent = false) {
  ErrorDetails details{code, "It failed", "Look"};
  details.Transient = true;
  details.NothingSent = nothingSent;
  return Error{std::move(details)};
}

/// Whatever is asked fails so, the first `count` times.
Interceptor::Function FailWith(ErrorCode code, int count, bool nothingSent = false) {
  auto const left = std::make_shared<std::atomic<int>>(count);
  return [code, nothingSent, left](Arrived const&) -> std::optional<Answer> {
    if ((*left)-- > 0) throw Transport(code, nothingSent);
    return std::nullopt;
  };
}

/// There is no connection.
Interceptor::Function NobodyThere(int count = 1000) { return FailWith(errors::ConnectFailed, count, true); }

/// Counts how often its lock was asked for.
class CountingStore final : public BindingStore {
 public:
  std::unique_ptr<Lock> Acquire(std::string_view name, Context const& context) override {
    ++Locks;
    return store_->Acquire(name, context);
  }
  std::optional<StoredBinding> Load(std::string_view name) override { return store_->Load(name); }
  void Save(std::string_view name, StoredBinding const& binding) override { store_->Save(name, binding); }
  void Remove(std::string_view name, std::string_view x5tS256) override { store_->Remove(name, x5tS256); }
  std::atomic<int> Locks{0};

 private:
  std::shared_ptr<BindingStore> store_ = MakeMemoryBindingStore();
};

TEST(ImdsDiscovery, IsOneRequestWithoutTheHeaderForTheProcess) {
  ManagedIdentityWorld world;
  std::atomic<bool> hasHeader{true};
  std::atomic<bool> isProxied{true};
  world.Cloud->Intercept = [&](Arrived const& arrived) -> std::optional<Answer> {
    if (!IsProbe(arrived)) return std::nullopt;
    hasHeader = arrived.Fields.Contains("Metadata");
    isProxied = !arrived.NeverProxied;
    return std::nullopt;
  };
  world.Get();
  world.Get(ManagedIdentityWorld::Request("https://storage.azure.com/.default"));
  ManagedIdentityCredential{world.Options}.GetToken(world.Request(), {});
  GetManagedIdentityCapabilities(world.Options, {});
  EXPECT_EQ(world.Cloud->Probes(), 1);
  EXPECT_FALSE(hasHeader);
  EXPECT_FALSE(isProxied);
  // What answers at another address is another service.
  world.Options.ImdsEndpoint = "http://127.0.0.1:4711";
  ManagedIdentityCredential{world.Options}.GetToken(world.Request(), {});
  EXPECT_EQ(world.Cloud->Probes(), 2);
}

TEST(ImdsDiscovery, EachAnswerHasItsMeaning) {
  std::vector<Headers::Field> const imds{{"Server", "IMDS/150"}};
  struct Row {
    Answer Said;
    ManagedIdentitySource Source;
    std::string WhyNot;
    BindingSupport Support = BindingSupport::No;
  };
  std::string const page = "<html><head><title>Please log in</title></head></html>";
  for (auto const& row :
       {Row{{400, "{}", imds}, ManagedIdentitySource::ImdsV2, "", BindingSupport::Yes},
        Row{{400, R"({"error":"invalid_request"})", {}}, ManagedIdentitySource::ImdsV2, "", BindingSupport::Yes},
        Row{{404, "{}", imds}, ManagedIdentitySource::ImdsV1, "version 1"},
        Row{{404, "404 page not found", {}}, ManagedIdentitySource::ImdsV1, "version 1"},
        Row{{429, "{}", imds}, ManagedIdentitySource::ImdsUnknown, "too busy", BindingSupport::Unknown},
        Row{{503, "{}", imds}, ManagedIdentitySource::ImdsUnknown, "too busy", BindingSupport::Unknown},
        Row{{403, "{}", imds}, ManagedIdentitySource::ImdsUnknown, "status 403"},
        Row{{200, page, {}}, ManagedIdentitySource::None, "a page for people"},
        Row{{404, page, {}}, ManagedIdentitySource::None, "Please log in"},
        Row{{503, page, {}}, ManagedIdentitySource::None, "Please log in"},
        Row{{400, "bad request", {}}, ManagedIdentitySource::None, "bad request"},
        Row{{302, "", {{"Location", "https://elsewhere.example/"}}}, ManagedIdentitySource::None, "status 302"}}) {
    ManagedIdentityWorld world;
    world.Options.Keys = std::make_shared<ReadyKeys>(KeyStrength::KeyGuard);
    world.Cloud->Intercept = AnswerProbes(row.Said);
    auto const found = GetManagedIdentityCapabilities(world.Options, {});
    EXPECT_EQ(found.Source, row.Source) << row.Said.Status << " " << row.Said.Body;
    EXPECT_THAT(found.WhyNot, HasSubstr(row.WhyNot));
    EXPECT_EQ(found.BindingSupported, row.Support) << row.Said.Status;
    EXPECT_EQ(world.Cloud->Probes(), 1);
  }
}

/// Silence, refusal, loss, slowness and what is no HTTP are told apart, with the address, the step, and who named the
/// address. An id under which nothing went out is not shown.
TEST(ImdsDiscovery, EachFailureHasItsSentence) {
  struct Row {
    ErrorCode Failure;
    bool NothingSent;
    std::string Code;
    std::string Says;
    int Probes;
    ManagedIdentitySource Source;
  };
  for (auto const& row :
       {Row{errors::DeadlineExceeded, true, "imds_not_reachable", "got no connection within 1 s", 1,
            ManagedIdentitySource::None},
        Row{errors::ConnectFailed, true, "imds_not_reachable", "Nobody answers", 1, ManagedIdentitySource::None},
        Row{errors::NameResolutionFailed, true, "imds_not_reachable", "Nobody answers", 1, ManagedIdentitySource::None},
        Row{errors::ConnectionLost, false, "imds_unavailable", "ended it before it had answered", 4,
            ManagedIdentitySource::ImdsUnknown},
        Row{errors::DeadlineExceeded, false, "imds_unavailable", "had not answered after 10 s", 2,
            ManagedIdentitySource::ImdsUnknown},
        Row{errors::MalformedResponse, false, "not_imds", "cannot be read as HTTP (It failed)", 1,
            ManagedIdentitySource::None}}) {
    for (auto const binding : {TokenBinding::Required, TokenBinding::Preferred, TokenBinding::None}) {
      ManagedIdentityWorld world;
      world.Options.Binding = binding;
      world.Environment["AZURE_POD_IDENTITY_AUTHORITY_HOST"] = "http://10.0.0.1:4711";
      world.Cloud->Intercept = FailWith(row.Failure, 1000, row.NothingSent);
      auto const error = ErrorOf([&] { world.Get(); });
      ASSERT_TRUE(error);
      EXPECT_EQ(error->Code().Name(), row.Code);
      EXPECT_THAT(error->what(), HasSubstr(row.Says));
      EXPECT_THAT(error->what(), HasSubstr("http://10.0.0.1:4711"));
      EXPECT_THAT(error->what(), HasSubstr("probe"));
      EXPECT_THAT(error->what(), HasSubstr("environment variable AZURE_POD_IDENTITY_AUTHORITY_HOST"));
      EXPECT_EQ(error->Details().CorrelationId.size(), row.NothingSent ? 0U : 36U);
      EXPECT_EQ(error->Details().Attempts, row.NothingSent ? 0 : row.Probes);
      EXPECT_EQ(error->Details().Transient, row.Code == "imds_unavailable");
      // Nor is anything asked twice, where a bearer token would do.
      EXPECT_EQ(world.Cloud->Probes(), row.Probes) << error->what();
      EXPECT_EQ(world.Cloud->Count(""), 0);
      EXPECT_EQ(GetManagedIdentityCapabilities(world.Options, {}).Source, row.Source);
    }
  }
}

TEST(ImdsDiscovery, SilenceIsFinalAtOnce) {
  ManagedIdentityWorld world;
  world.Options.Binding = TokenBinding::Preferred;
  world.Cloud->Intercept = FailWith(errors::DeadlineExceeded, 1000, true);
  EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), "imds_not_reachable");
  EXPECT_EQ(world.Cloud->Probes(), 1);
  EXPECT_THAT(world.Time->Slept(), IsEmpty());
}

/// A second is for those who are not there. Who takes the connection and needs 1.1 s is asked again, with time for it.
TEST(ImdsDiscovery, WhoIsSlowIsAskedOnceMoreAndGetsTheRestOfTheTime) {
  class Slow final : public HttpTransport {
   public:
    explicit Slow(std::shared_ptr<FakeCloud> cloud) : cloud_(std::move(cloud)) {}
    std::unique_ptr<Response> Send(
        Request& request, std::shared_ptr<BindingCertificate const> const& binding, Context const& context) override {
      auto const allowed = context.Deadline() - Context::Clock::now();
      if (allowed < 1100ms) throw Transport(errors::DeadlineExceeded);
      bool const isProbe =
          request.Target.Path() == "/metadata/identity/getplatformmetadata" && !request.Fields.Contains("Metadata");
      if (isProbe) Allowed = allowed;
      return cloud_->Send(request, binding, context);
    }
    std::atomic<Context::Clock::duration> Allowed{};

   private:
    std::shared_ptr<FakeCloud> cloud_;
  };
  for (auto const binding : {TokenBinding::Required, TokenBinding::None}) {
    ManagedIdentityWorld world;
    auto const slow = std::make_shared<Slow>(world.Cloud);
    world.Options.Transport = slow;
    world.Options.Binding = binding;
    EXPECT_NE(world.Get().Token.Reveal(), "");
    EXPECT_EQ(world.Cloud->Probes(), 1);
    EXPECT_LE(slow->Allowed.load(), Context::Clock::duration{10s});
  }
}

/// Of the real clock: who has taken the connection and says nothing is somebody, also when the time for all of it ends.
TEST(ImdsDiscovery, WhoIsTooSlowIsNotNobody) {
  class Mute final : public HttpTransport {
   public:
    std::unique_ptr<Response> Send(
        Request&, std::shared_ptr<BindingCertificate const> const&, Context const& context) override {
      if (Sent++ == 0) throw Transport(errors::DeadlineExceeded);
      EXPECT_TRUE(Eventually([&] { return context.IsExpired(); }));
      context.ThrowIfEnded("Waiting for the answer");
      return nullptr;
    }
    std::atomic<int> Sent{0};
  };
  for (auto const binding : {TokenBinding::Required, TokenBinding::Preferred}) {
    ManagedIdentityWorld world;
    auto const mute = std::make_shared<Mute>();
    world.Options.Time = SystemClock();
    world.Options.Transport = mute;
    world.Options.Binding = binding;
    world.Options.CapabilityDiscoveryTimeout = 50ms;
    auto const error = ErrorOf([&] { world.Get(); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->Code(), errors::ImdsUnavailable);
    EXPECT_THAT(error->what(), HasSubstr("took the connection for probe and had not answered"));
    EXPECT_THAT(error->what(), HasSubstr("Somebody is there, and too slow"));
    EXPECT_TRUE(error->Details().Transient);
    EXPECT_EQ(error->Details().Attempts, 2);
    EXPECT_EQ(mute->Sent, 2);
  }
}

/// What is no version 2 may be a version 1 of somebody's own: a sidecar that knows one path.
TEST(ImdsDiscovery, BearerTokensNeedSomebodyAndNoMore) {
  for (auto const& said :
       {Answer{403, "forbidden", {}}, Answer{405, "", {}}, Answer{400, "bad request", {}}, Answer{401, "{}", {}},
        Answer{501, "", {}}, Answer{403, "{}", {{"Server", "IMDS/150"}}}, Answer{200, "hello", {}}}) {
    for (auto const binding : {TokenBinding::None, TokenBinding::Preferred}) {
      ManagedIdentityWorld world;
      world.Options.Binding = binding;
      world.Cloud->Intercept = [said](Arrived const& arrived) -> std::optional<Answer> {
        if (arrived.Path.find("oauth2/token") != std::string::npos) return std::nullopt;
        return said;
      };
      EXPECT_EQ(world.Get().Type, TokenType::Bearer) << said.Status << " " << said.Body;
      // What the way to a bound token has found out is not asked again on the way back.
      EXPECT_EQ(world.Cloud->Probes(), 1);
    }
    ManagedIdentityWorld required;
    required.Cloud->Intercept = AnswerProbes(said);
    bool const isPassing = said.Status >= 500;
    EXPECT_EQ(ErrorOf([&] { required.Get(); }).has_value(), !isPassing) << said.Status;
  }
}

TEST(ImdsDiscovery, APageForPeopleIsFinalForBearerTokensToo) {
  for (auto const binding : {TokenBinding::None, TokenBinding::Preferred, TokenBinding::Required}) {
    ManagedIdentityWorld world;
    world.Options.Binding = binding;
    world.Cloud->Intercept = [](Arrived const&) {
      return std::make_optional(Answer{403, "<html><body>Please log in</body></html>", {}});
    };
    EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), "not_imds");
    EXPECT_EQ(world.Cloud->Probes(), 1);
    EXPECT_EQ(world.Cloud->Count(""), 0);
  }
}

TEST(ImdsDiscovery, NoKeyIsMadeWhereNoCertificateCanBeHad) {
  ManagedIdentityWorld version1;
  version1.Cloud->Intercept = AnswerProbes(JsonAnswer(json::object(), 404));
  EXPECT_EQ(ErrorCodeOf([&] { version1.Get(); }), "mtls_pop_not_supported_in_imds_v1");
  EXPECT_EQ(version1.Keys->Made(), 0);
  ManagedIdentityWorld nobody;
  nobody.Cloud->Intercept = NobodyThere();
  EXPECT_EQ(ErrorCodeOf([&] { nobody.Get(); }), "imds_not_reachable");
  EXPECT_EQ(nobody.Keys->Made(), 0);
}

/// Else processes that share a store learn it one after another, each after the last one's second.
TEST(ImdsDiscovery, ComesBeforeTheLockOfTheStore) {
  struct Row {
    Interceptor::Function Intercept;
    std::string Code;
  };
  for (auto const& row :
       {Row{NobodyThere(), "imds_not_reachable"},
        Row{AnswerProbes(JsonAnswer(json::object(), 404)), "mtls_pop_not_supported_in_imds_v1"}}) {
    ManagedIdentityWorld world;
    auto const store = std::make_shared<CountingStore>();
    world.Options.Store = store;
    world.Cloud->Intercept = row.Intercept;
    EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), row.Code);
    EXPECT_EQ(store->Locks, 0);
    world.Cloud->Intercept = nullptr;
    world.Time->Advance(2h);
    EXPECT_EQ(world.Get().Type, TokenType::MtlsPop);
    EXPECT_EQ(store->Locks, 1);
  }
}

TEST(ImdsDiscovery, IsNotNeededForABindingThatIsStored) {
  ManagedIdentityWorld world;
  auto const store = std::make_shared<CountingStore>();
  world.Options.Store = store;
  auto const first = world.Get();
  world.Drop();
  auto const cloud = std::make_shared<FakeCloud>(world.Time);
  world.Options.Transport = cloud;
  EXPECT_EQ(world.Get().Binding->X5tS256(), first.Binding->X5tS256());
  EXPECT_EQ(cloud->Probes(), 0);
  EXPECT_EQ(store->Locks, 1);
}

TEST(ImdsDiscovery, ConnectionThatIsLostIsTriedAgain) {
  ManagedIdentityWorld world;
  world.Cloud->Intercept = FailWith(errors::ConnectionLost, 2);
  EXPECT_EQ(world.Get().Type, TokenType::MtlsPop);
  EXPECT_EQ(world.Cloud->Probes(), 3);
  EXPECT_THAT(world.Time->Slept(), ElementsAre(1s, 2s));
}

TEST(ImdsDiscovery, IsAskedAgainAfterAFailure) {
  ManagedIdentityWorld world;
  world.Cloud->Intercept = NobodyThere(1);
  EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), "imds_not_reachable");
  EXPECT_EQ(world.Get().Type, TokenType::MtlsPop);
  EXPECT_EQ(world.Cloud->Probes(), 2);
}

TEST(ImdsDiscovery, Version1IsAskedAgainAfterAnHour) {
  ManagedIdentityWorld world;
  std::string sent;
  world.Cloud->Intercept = [&](Arrived const& arrived) -> std::optional<Answer> {
    sent = arrived.Fields.Get("x-ms-client-request-id");
    return JsonAnswer(json::object(), 404);
  };
  auto const first = ErrorOf([&] { world.Get(); });
  auto const second = ErrorOf([&] { world.Get(); });
  ASSERT_TRUE(first);
  ASSERT_TRUE(second);
  EXPECT_EQ(world.Cloud->Probes(), 1);
  // The second one sent nothing, and names what the first one sent.
  EXPECT_EQ(first->Details().Attempts, 1);
  EXPECT_EQ(second->Details().Attempts, 0);
  EXPECT_THAT(second->what(), HasSubstr("answered an earlier request"));
  EXPECT_THAT(second->what(), testing::Not(HasSubstr("the time that it named")));
  for (auto const& error : {*first, *second}) {
    EXPECT_EQ(error.Code(), errors::MtlsPopNotSupportedInImdsV1);
    EXPECT_EQ(error.Details().HttpStatus, 404);
    EXPECT_EQ(error.Details().CorrelationId, sent);
  }
  world.Cloud->Intercept = nullptr;
  world.Time->Advance(1h);
  EXPECT_EQ(world.Get().Type, TokenType::MtlsPop);
}

/// Machines that were started together do not ask together again.
TEST(ImdsDiscovery, Version1IsBelievedUpToAQuarterLongerAtRandom) {
  ManagedIdentityWorld world;
  world.Options.Random = [] { return 0.5; };
  world.Cloud->Intercept = AnswerProbes(JsonAnswer(json::object(), 404));
  EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), "mtls_pop_not_supported_in_imds_v1");
  world.Cloud->Intercept = nullptr;
  world.Time->Advance(67min);
  EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), "mtls_pop_not_supported_in_imds_v1");
  EXPECT_EQ(world.Cloud->Probes(), 1);
  world.Time->Advance(30s);
  EXPECT_EQ(world.Get().Type, TokenType::MtlsPop);
}

/// Of the real clock: the budget is a time limit of the context.
TEST(ImdsDiscovery, BudgetCoversAllOfIt) {
  ManagedIdentityWorld world;
  world.Options.Time = SystemClock();
  world.Options.CapabilityDiscoveryTimeout = 50ms;
  world.Cloud->Intercept = FailWith(errors::ConnectionLost, 1000);
  auto const begun = std::chrono::steady_clock::now();
  auto const error = ErrorOf([&] { world.Get(); });
  ASSERT_TRUE(error);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 1s);
  EXPECT_THAT(error->what(), HasSubstr("took the connection"));
}

/// The largest number means "never", and not a time in the past, as it does where it overflows.
TEST(ImdsDiscovery, LongestBudgetIsNoLimit) {
  ManagedIdentityWorld world;
  world.Options.CapabilityDiscoveryTimeout = std::chrono::milliseconds::max();
  EXPECT_EQ(world.Get().Type, TokenType::MtlsPop);
}

TEST(AttackImdsRetries, OneLostConnectionIsNotTheEnd) {
  for (std::string const path : {"getplatformmetadata", "issuecredential"}) {
    ManagedIdentityWorld world;
    std::atomic<int> calls{0};
    world.Cloud->Intercept = [&](Arrived const& arrived) -> std::optional<Answer> {
      if (IsProbe(arrived) || arrived.Path.find(path) == std::string::npos || calls++ > 0) return std::nullopt;
      throw Transport(errors::ConnectionLost);
    };
    EXPECT_EQ(world.Get().Type, TokenType::MtlsPop);
    EXPECT_THAT(world.Time->Slept(), ElementsAre(1s)) << path;
  }
}

TEST(AttackImdsRetries, LostConnectionsEndWithASentenceOfTheirOwn) {
  ManagedIdentityWorld world;
  world.Cloud->Intercept = [](Arrived const& arrived) -> std::optional<Answer> {
    if (IsProbe(arrived)) return std::nullopt;
    throw Transport(errors::ConnectionLost);
  };
  auto const error = ErrorOf([&] { world.Get(); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->Code(), errors::ImdsUnavailable);
  EXPECT_TRUE(error->Details().Transient);
  EXPECT_EQ(error->Details().Attempts, 4);
  EXPECT_THAT(error->what(), HasSubstr("took the connection for get_platform_metadata"));
  EXPECT_THAT(error->what(), HasSubstr("the default address"));
  EXPECT_THAT(world.Time->Slept(), ElementsAre(1s, 2s, 4s));
}

/// In the whole process, whatever transport asks: what a service issues for does not depend on that.
TEST(Capabilities, StrengthThatWasRefusedIsNeverCalledSupported) {
  ManagedIdentityWorld world;
  world.Options.ImdsEndpoint = "http://127.0.0.1:4712/";
  auto other = world.Options;
  other.Transport = std::make_shared<FakeCloud>(world.Time);
  other.ImdsEndpoint = "http://127.0.0.1:4712";
  auto const support = [](ManagedIdentityCredentialOptions const& options) {
    return GetManagedIdentityCapabilities(options, {}).BindingSupported;
  };
  EXPECT_EQ(support(world.Options), BindingSupport::Unknown);
  world.Cloud->Intercept = [](Arrived const& arrived) -> std::optional<Answer> {
    if (arrived.Path.find("issuecredential") == std::string::npos) return std::nullopt;
    return TokenError("invalid_request", "not a KeyGuard key");
  };
  EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), "mtls_pop_requires_keyguard");
  for (auto const& options : {world.Options, other}) {
    auto const found = GetManagedIdentityCapabilities(options, {});
    EXPECT_EQ(found.BindingSupported, BindingSupport::No);
    EXPECT_THAT(found.WhyNot, HasSubstr("has refused a key of strength software"));
  }
  // Also when who was refused is gone, and its transport.
  world.Drop();
  world.Cloud = std::make_shared<FakeCloud>(world.Time);
  world.Options.Transport = world.Cloud;
  EXPECT_EQ(support(world.Options), BindingSupport::No);
  // A better one may do.
  auto better = world.Options;
  better.Keys = std::make_shared<ReadyKeys>(KeyStrength::Hardware);
  EXPECT_EQ(support(better), BindingSupport::Unknown);
  better.Keys = std::make_shared<ReadyKeys>(KeyStrength::KeyGuard);
  EXPECT_EQ(support(better), BindingSupport::Yes);
  // The service has changed its mind.
  world.Get();
  EXPECT_EQ(support(world.Options), BindingSupport::Yes);
  EXPECT_EQ(support(other), BindingSupport::Yes);
  // What another one says is not known.
  other.ImdsEndpoint = "http://127.0.0.1:4713";
  EXPECT_EQ(support(other), BindingSupport::Unknown);
}

/// Section 3: today's services refuse software keys, so nobody is told before one was issued for that there are bound tokens.
TEST(Capabilities, StrengthThatWasNotTriedIsUnknown) {
  for (auto const strength : {KeyStrength::Software, KeyStrength::Hardware}) {
    ManagedIdentityWorld world;
    world.Options.ImdsEndpoint = "http://127.0.0.1:" + std::to_string(4714 + static_cast<int>(strength));
    world.Options.Keys = std::make_shared<ReadyKeys>(strength);
    auto const found = GetManagedIdentityCapabilities(world.Options, {});
    EXPECT_EQ(found.Source, ManagedIdentitySource::ImdsV2);
    EXPECT_EQ(found.BindingSupported, BindingSupport::Unknown);
    EXPECT_THAT(found.WhyNot, HasSubstr("KeyGuard keys only"));
    world.Get();
    EXPECT_EQ(GetManagedIdentityCapabilities(world.Options, {}).BindingSupported, BindingSupport::Yes);
  }
}

}  // namespace
}  // namespace mtlspop::test
