// Section 8 of the wire contract: cache, background refresh, rotation, single flight.
#include <atomic>
#include <future>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "binding_source.hpp"
#include "fake_cloud.hpp"
#include "mtlspop/credential/binding_store.hpp"
#include "mtlspop/credential/errors.hpp"
#include "support/either_way.hpp"
#include "support/error_code_of.hpp"
#include "support/event.hpp"
#include "token_cache.hpp"
#include "token_times.hpp"

namespace mtlspop::test {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

constexpr char const* TokenPath = "/oauth2/v2.0/token";

mtlspop::json::Value Answering(std::string_view text) { return std::move(*mtlspop::json::ParseObject(text)); }

TEST(TokenTimes, RefreshInOfTheServiceWins) {
  std::chrono::system_clock::time_point const now{1000h};
  EXPECT_EQ(ReadRefresh(Answering(R"({"refresh_in":600})"), now, now + 24h), now + 600s);
  EXPECT_EQ(ReadRefresh(Answering(R"({"refresh_in":"600"})"), now, now + 24h), now + 600s);
  EXPECT_EQ(ReadRefresh(Answering(R"({"refresh_in":999999})"), now, now + 1h), now + 1h);
}

TEST(TokenTimes, HalfLifeWhereLifeIsTwoHoursOrMore) {
  std::chrono::system_clock::time_point const now{1000h};
  EXPECT_EQ(ReadRefresh({}, now, now + 24h), now + 12h);
  EXPECT_EQ(ReadRefresh({}, now, now + 2h), now + 1h);
  EXPECT_EQ(ReadRefresh({}, now, now + 1h), now + 50min);
}

TEST(TokenTimes, AbsurdLivesAreCut) {
  std::chrono::system_clock::time_point const now{1000h};
  EXPECT_EQ(*ReadExpiry(Answering(R"({"expires_in":9e14})"), now), now + 366 * 24h);
  EXPECT_EQ(*ReadExpiry(Answering(R"({"expires_on":9e14})"), now), now + 366 * 24h);
  EXPECT_FALSE(ReadExpiry(Answering(R"({"expires_in":0})"), now));
  EXPECT_FALSE(ReadExpiry(Answering(R"({"expires_in":"soon"})"), now));
}

/// An outage ends for a whole fleet at one moment: who had no token any more must not renew in step from there on.
TEST(Cache, TokenThatTakesThePlaceOfOneThatEndedIsRenewedAtAnyTime) {
  std::chrono::system_clock::time_point now{1000h};
  TokenCache cache{[] { return 0.5; }};
  auto const request = ManagedIdentityWorld::Request();
  auto const put = [&] {
    AccessToken token;
    token.Token = Secret{std::string_view{"token"}};
    token.ExpiresOn = now + 1h;
    token.RefreshOn = now + 50min;
    cache.Put(request, TokenRoute::MtlsBearer, token, now);
  };
  auto const isDueAfter = [&](std::chrono::minutes time) {
    AccessToken token;
    return cache.Find(request, TokenRoute::MtlsBearer, now + time, token) != Freshness::Fresh;
  };
  put();
  now += 58min;
  put();
  EXPECT_FALSE(isDueAfter(51min));
  now += 1h;
  put();
  EXPECT_FALSE(isDueAfter(25min));
  EXPECT_TRUE(isDueAfter(26min));
}

/// When less than 24 hours or less than half its life remains, whichever is the shorter time.
TEST(Rotation, IsDueAtTheContractsTime) {
  std::chrono::system_clock::time_point const issued{1000h};
  EXPECT_EQ(RotationDueOn(issued, issued + 8h), issued + 4h);
  EXPECT_EQ(RotationDueOn(issued, issued + 8s), issued + 4s);
  EXPECT_EQ(RotationDueOn(issued, issued + 7 * 24h), issued + 6 * 24h);
  EXPECT_EQ(RotationDueOn(issued, issued + 48h), issued + 24h);
}

TEST(Cache, KeepsTokensApartByScopeTenantAndType) {
  ManagedIdentityWorld world;
  world.Options.AdditionallyAllowedTenants = {"other"};
  world.Options.Binding = TokenBinding::None;
  auto bound = world.Request();
  bound.Binding = TokenBinding::Required;
  auto otherTenant = bound;
  otherTenant.TenantId = "other";
  auto otherScope = bound;
  otherScope.Scopes = {"https://storage.azure.com/.default"};
  std::vector<std::string> tokens;
  for (int round = 0; round < 2; ++round) {
    for (auto const& request : {world.Request(), bound, otherTenant, otherScope}) {
      tokens.emplace_back(world.Get(request).Token.Reveal());
    }
  }
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(tokens[i], tokens[i + 4]) << i;
  std::sort(tokens.begin(), tokens.end());
  EXPECT_EQ(std::unique(tokens.begin(), tokens.end()) - tokens.begin(), 4);
}

TEST(Cache, RefreshesInTheBackgroundFromRefreshInOn) {
  ManagedIdentityWorld world;
  auto const first = world.Get();
  world.Time->Advance(3h);
  EXPECT_EQ(world.Get().Token, first.Token);
  EXPECT_EQ(world.Cloud->Count(TokenPath), 1);
}

TEST(Cache, RefreshesAtHalfLifeWithoutLettingAnybodyWait) {
  ManagedIdentityWorld world;
  world.Cloud->Certificates.Life = 30 * 24h;
  auto const first = world.Get();
  Event release;
  world.Cloud->Intercept = [&release](Arrived const& arrived) -> std::optional<Answer> {
    if (arrived.Path.find(TokenPath) != std::string::npos) {
      EXPECT_TRUE(release.Wait());
    }
    return std::nullopt;
  };
  world.Time->Advance(12h + 1min);
  // The service hangs, and nobody notices.
  for (int i = 0; i < 10; ++i) EXPECT_EQ(world.Get().Token, first.Token);
  release.Set();
  EXPECT_TRUE(Eventually([&] { return world.Get().Token != first.Token; }));
  EXPECT_EQ(world.Cloud->Count(TokenPath), 2);
  EXPECT_EQ(world.Cloud->Count("/issuecredential"), 1);
}

TEST(Cache, FailedBackgroundRefreshIsNoErrorAndIsTriedAgainAfterAWhile) {
  ManagedIdentityWorld world;
  world.Cloud->Certificates.Life = 30 * 24h;
  auto const first = world.Get();
  world.Cloud->Intercept = [](Arrived const& arrived) -> std::optional<Answer> {
    if (arrived.Path.find(TokenPath) == std::string::npos) return std::nullopt;
    return TokenError("server_error", "no", 400);
  };
  world.Time->Advance(13h);
  EXPECT_EQ(world.Get().Token, first.Token);
  EXPECT_TRUE(Eventually([&] { return world.Lines->Text().find("token.refresh_failed") != std::string::npos; }));
  // Not at every call.
  for (int i = 0; i < 100; ++i) EXPECT_EQ(world.Get().Token, first.Token);
  EXPECT_EQ(world.Cloud->Count(TokenPath), 2);
  world.Time->Advance(1min + 1s);
  EXPECT_EQ(world.Get().Token, first.Token);
  EXPECT_TRUE(Eventually([&] { return world.Cloud->Count(TokenPath) == 3; }));
}

TEST(Cache, NothingIsServedWithinFiveMinutesOfExpiryIfANewOneCanBeHad) {
  ManagedIdentityWorld world;
  world.Options.Binding = TokenBinding::None;
  world.Cloud->TokenLife = 1h;
  auto const first = world.Get();
  world.Time->Advance(55min + 1s);
  auto const second = world.Get();
  EXPECT_NE(second.Token, first.Token);
  EXPECT_EQ(second.Source, TokenSource::Service);
}

TEST(Cache, OldTokenIsServedToItsEndWhereNothingBetterCanBeHad) {
  ManagedIdentityWorld world;
  world.Options.Binding = TokenBinding::None;
  world.Cloud->TokenLife = 1h;
  auto const first = world.Get();
  world.Cloud->Intercept = [](Arrived const&) -> std::optional<Answer> { return JsonAnswer(json::object(), 400); };
  world.Time->Advance(57min);
  EXPECT_EQ(world.Get().Token, first.Token);
  world.Time->Advance(3min);
  EXPECT_EQ(ErrorCodeOf([&] { world.Get(); }), "imds_refused");
}

TEST(Cache, ShortLivedTokensAreServedAndRefreshedInTheBackground) {
  ManagedIdentityWorld world;
  world.Options.Binding = TokenBinding::None;
  world.Cloud->TokenLife = 4s;
  auto const first = world.Get();
  world.Time->Advance(1900ms);
  EXPECT_EQ(world.Get().Source, TokenSource::Cache);
  EXPECT_EQ(world.Cloud->Count("/token"), 1);
  world.Time->Advance(200ms);
  EXPECT_EQ(world.Get().Token, first.Token);
  EXPECT_TRUE(Eventually([&] { return world.Get().Token != first.Token; }));
}

/// Machines of one deployment must not come back together.
TEST(Rotation, ComesAtARandomTimeAfterItIsDueAndTheFirstOneAtAnyTime) {
  ManagedIdentityWorld world;
  // Period and moment of the first: (1 - 0.5) of the shortest period, which is four hours. Then half way to six.
  auto const numbers = std::make_shared<std::vector<double>>(std::vector<double>{0, 0.5});
  world.Options.Random = [numbers, next = std::make_shared<std::atomic<std::size_t>>(0)] {
    auto const index = (*next)++;
    return index < numbers->size() ? numbers->at(index) : 0.5;
  };
  auto const first = world.Get();
  world.Time->Advance(2h - 1min);
  EXPECT_EQ(world.Get().Binding->X5tS256(), first.Binding->X5tS256());
  EXPECT_EQ(world.Cloud->Count("/issuecredential"), 1);
  world.Time->Advance(2min);
  world.Get();
  EXPECT_TRUE(Eventually([&] { return world.Get().Binding->X5tS256() != first.Binding->X5tS256(); }));
  auto const second = world.Get();
  world.Time->Advance(4h + 50min);
  EXPECT_EQ(world.Get().Binding->X5tS256(), second.Binding->X5tS256());
  EXPECT_EQ(world.Cloud->Count("/issuecredential"), 2);
  world.Time->Advance(11min);
  world.Get();
  EXPECT_TRUE(Eventually([&] { return world.Get().Binding->X5tS256() != second.Binding->X5tS256(); }));
}

/// A token that a caller holds stays usable, with its own certificate, across a rotation.
TEST(Rotation, HappensInTheBackgroundAndTakesTheTokensAlong) {
  ManagedIdentityWorld world;
  auto const first = world.Get();
  world.Time->Advance(4h + 1s);
  EXPECT_EQ(world.Get().Token, first.Token);
  EXPECT_TRUE(Eventually([&] { return world.Get().Token != first.Token; }));
  auto const second = world.Get();
  EXPECT_NE(second.Binding->X5tS256(), first.Binding->X5tS256());
  EXPECT_EQ(world.Cloud->Count("/issuecredential"), 2);
  EXPECT_EQ(world.Cloud->Count(TokenPath), 2);
  EXPECT_TRUE(first.Binding->IsValidAt(world.Time->Now()));
  // Connections of the old certificate go once no token needs them.
  EXPECT_TRUE(Eventually([&] { return !world.Cloud->Dropped().empty(); }));
  EXPECT_THAT(world.Cloud->Dropped(), testing::ElementsAre(first.Binding->X5tS256()));
}

/// Section 1 and NET 6117: a renewal with the same key is a new binding.
TEST(Rotation, WithTheSameKeyIsANewBindingAllTheSame) {
  ManagedIdentityWorld world;
  auto const first = world.Get();
  world.Time->Advance(4h + 1s);
  EXPECT_TRUE(Eventually([&] { return world.Get().Token != first.Token; }));
  auto const second = world.Get();
  EXPECT_EQ(world.Keys->Made(), 1);
  EXPECT_NE(second.Binding->X5tS256(), first.Binding->X5tS256());
}

TEST(Rotation, NobodyWaitsForIt) {
  ManagedIdentityWorld world;
  auto const first = world.Get();
  Event release;
  world.Cloud->Intercept = [&release](Arrived const& arrived) -> std::optional<Answer> {
    if (arrived.Path.find("issuecredential") != std::string::npos) {
      EXPECT_TRUE(release.Wait());
    }
    return std::nullopt;
  };
  world.Time->Advance(4h + 1s);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(world.Get().Token, first.Token);
  EXPECT_TRUE(Eventually([&] { return world.Cloud->Count("/issuecredential") == 2; }));
  EXPECT_EQ(world.Get().Token, first.Token);
  release.Set();
  EXPECT_TRUE(Eventually([&] { return world.Get().Token != first.Token; }));
}

TEST(Rotation, ThatFailsIsTriedAgainLaterWhileTheOldCertificateServes) {
  ManagedIdentityWorld world;
  auto const first = world.Get();
  world.Cloud->Intercept = [](Arrived const& arrived) -> std::optional<Answer> {
    if (arrived.Path.find("issuecredential") == std::string::npos) return std::nullopt;
    return JsonAnswer(json::object(), 500);
  };
  world.Time->Advance(4h + 1s);
  EXPECT_EQ(world.Get().Token, first.Token);
  EXPECT_TRUE(Eventually([&] { return world.Lines->Text().find("binding.rotation_failed") != std::string::npos; }));
  EXPECT_EQ(world.Get().Token, first.Token);
  world.Cloud->Intercept = nullptr;
  world.Time->Advance(6min);
  EXPECT_TRUE(Eventually([&] { return world.Get().Token != first.Token; }));
}

TEST(Rotation, ThatGoesOnFailingIsTriedLessAndLessOften) {
  ManagedIdentityWorld world;
  auto const first = world.Get();
  world.Cloud->Intercept = [](Arrived const& arrived) -> std::optional<Answer> {
    if (arrived.Path.find("issuecredential") == std::string::npos) return std::nullopt;
    return JsonAnswer(json::object(), 403);
  };
  world.Time->Advance(4h + 1s);
  auto const before = world.Cloud->Count("/issuecredential");
  for (auto passed = 0ms; passed < 10min; passed += 100ms) {
    EXPECT_EQ(world.Get().Token, first.Token);
    world.Time->Advance(100ms);
  }
  // After 1 s, 2 s, 4 s ... 256 s, and the last after 5 minutes.
  EXPECT_LE(world.Cloud->Count("/issuecredential") - before, 11);
  world.Cloud->Intercept = nullptr;
  EXPECT_TRUE(Eventually([&] {
    world.Time->Advance(1min);
    return world.Get().Token != first.Token;
  }));
}

/// What hangs ends one day, and whoever waits for it is told what hung.
TEST(Rotation, HasADeadlineAsEachFetch) {
  class Watch final : public BindingStore {
   public:
    std::unique_ptr<Lock> Acquire(std::string_view, Context const& context) override {
      std::lock_guard<std::mutex> const lock{mutex_};
      deadlines_.push_back(context.Deadline());
      return nullptr;
    }
    std::optional<StoredBinding> Load(std::string_view) override { return std::nullopt; }
    void Save(std::string_view, StoredBinding const&) override {}
    void Remove(std::string_view, std::string_view) override {}
    std::vector<Context::TimePoint> Deadlines() const {
      std::lock_guard<std::mutex> const lock{mutex_};
      return deadlines_;
    }

   private:
    mutable std::mutex mutex_;
    std::vector<Context::TimePoint> deadlines_;
  };
  ManagedIdentityWorld world;
  auto const store = std::make_shared<Watch>();
  world.Options.Store = store;
  auto const first = world.Get();
  world.Time->Advance(4h + 1s);
  EXPECT_EQ(world.Get().Token, first.Token);
  ASSERT_TRUE(Eventually([&] { return store->Deadlines().size() == 2; }));
  for (auto const deadline : store->Deadlines()) EXPECT_LT(deadline, Context::Clock::now() + 1h);
}

/// Section 5: what was refused is not used again, its key neither, though the next certificate for it is under way.
TEST(Rotation, DuringWhichTheBindingIsRefusedEndsWithANewKey) {
  ManagedIdentityWorld world;
  world.Options.Store = MakeMemoryBindingStore().get();
  auto const first = world.Get();
  Event asked;
  Event mayAnswer;
  std::atomic<bool> holds{true};
  world.Cloud->Intercept = [&](Arrived const& arrived) -> std::optional<Answer> {
    if (arrived.Path.find("issuecredential") == std::string::npos || !holds.exchange(false)) return std::nullopt;
    asked.Set();
    EXPECT_TRUE(mayAnswer.Wait());
    return std::nullopt;
  };
  world.Time->Advance(4h + 1s);
  EXPECT_EQ(world.Get().Token, first.Token);
  ASSERT_TRUE(asked.Wait());
  // So that the refusal has been heard before the rotation ends: the caller leaves, and what was refused stays refused.
  world.Credential().ReportRefusal(world.Request(), first, RefusalReason::BindingNoLongerGood);
  EXPECT_EQ(
      ErrorCodeOf([&] { GetEitherWay(world.Credential(), world.Request(), Context{}.WithTimeout(50ms)); }),
      "deadline_exceeded");
  mayAnswer.Set();
  EXPECT_NE(world.Get().Binding->X5tS256(), first.Binding->X5tS256());
  EXPECT_EQ(world.Keys->Made(), 2);
  EXPECT_TRUE(world.Keys->Requests.back().ForceNew);
  EXPECT_EQ(world.Cloud->Count("/issuecredential"), 3);
}

TEST(Rotation, AntedatedCertificatesDoNotRotateAtOnce) {
  ManagedIdentityWorld world;
  world.Cloud->Certificates.Backdate = 5min;
  world.Cloud->Certificates.Life = 8s;
  world.Cloud->TokenLife = 4s;
  world.Get();
  for (int i = 0; i < 100; ++i) world.Get();
  EXPECT_EQ(world.Cloud->Count("/issuecredential"), 1);
}

TEST(Rotation, ExpiredCertificateIsReplacedBeforeTheNextToken) {
  ManagedIdentityWorld world;
  auto const first = world.Get();
  world.Time->Advance(9h);
  auto const second = world.Get();
  EXPECT_NE(second.Binding->X5tS256(), first.Binding->X5tS256());
  EXPECT_TRUE(second.Binding->IsValidAt(world.Time->Now()));
}

TEST(SingleFlight, ManyCallersCauseOneOfEachRequest) {
  ManagedIdentityWorld world;
  world.Credential();
  std::vector<std::future<AccessToken>> calls;
  for (int i = 0; i < 100; ++i) calls.push_back(std::async(std::launch::async, [&] { return world.Get(); }));
  auto const token = calls[0].get().Token;
  for (std::size_t i = 1; i < calls.size(); ++i) EXPECT_EQ(calls[i].get().Token, token);
  EXPECT_EQ(world.Cloud->Count("/getplatformmetadata"), 1);
  EXPECT_EQ(world.Cloud->Count("/issuecredential"), 1);
  EXPECT_EQ(world.Cloud->Count(TokenPath), 1);
}

TEST(SingleFlight, DifferentScopesShareTheCertificate) {
  ManagedIdentityWorld world;
  world.Credential();
  std::vector<std::future<AccessToken>> calls;
  for (int i = 0; i < 20; ++i) {
    calls.push_back(std::async(std::launch::async, [&world, i] {
      return world.Get(ManagedIdentityWorld::Request("https://" + std::to_string(i) + ".example/.default"));
    }));
  }
  for (auto& call : calls) call.get();
  EXPECT_EQ(world.Cloud->Count("/issuecredential"), 1);
  EXPECT_EQ(world.Cloud->Count(TokenPath), 20);
}

/// NET 6053: whoever started the request may leave, and so may anybody else.
TEST(SingleFlight, CallersWhoLeaveDisturbNobody) {
  ManagedIdentityWorld world;
  Event arrived;
  Event release;
  world.Cloud->Intercept = [&](Arrived const& request) -> std::optional<Answer> {
    if (request.Path.find("getplatformmetadata") == std::string::npos) return std::nullopt;
    arrived.Set();
    EXPECT_TRUE(release.Wait());
    return std::nullopt;
  };
  world.Credential();
  auto const leaves = Context{}.WithCancellation();
  auto leader = std::async(std::launch::async, [&] {
    return ErrorCodeOf([&] { GetEitherWay(world.Credential(), world.Request(), leaves); });
  });
  ASSERT_TRUE(arrived.Wait());
  auto stays = std::async(std::launch::async, [&] { return world.Get(); });
  EXPECT_EQ(
      ErrorCodeOf([&] { GetEitherWay(world.Credential(), world.Request(), Context{}.WithTimeout(5ms)); }),
      "deadline_exceeded");
  leaves.Cancel();
  EXPECT_EQ(leader.get(), "cancelled");
  release.Set();
  EXPECT_EQ(stays.get().Type, TokenType::MtlsPop);
  EXPECT_EQ(world.Cloud->Count("/getplatformmetadata"), 1);
}

TEST(SingleFlight, CallerWhoIsCancelledAlreadySendsNothing) {
  ManagedIdentityWorld world;
  auto const cancelled = Context{}.WithCancellation();
  cancelled.Cancel();
  EXPECT_EQ(ErrorCodeOf([&] { GetEitherWay(world.Credential(), world.Request(), cancelled); }), "cancelled");
  EXPECT_EQ(world.Cloud->Count(""), 0);
}

TEST(SingleFlight, FailureReachesEveryCallerAndTheNextCallTriesAgain) {
  ManagedIdentityWorld world;
  Event release;
  world.Cloud->Intercept = [&](Arrived const&) -> std::optional<Answer> {
    EXPECT_TRUE(release.Wait());
    return JsonAnswer(json::object(), 400);
  };
  world.Credential();
  std::vector<std::future<std::string>> calls;
  for (int i = 0; i < 8; ++i) {
    calls.push_back(std::async(std::launch::async, [&] { return ErrorCodeOf([&] { world.Get(); }); }));
  }
  release.Set();
  for (auto& call : calls) EXPECT_EQ(call.get(), "imds_refused");
  world.Cloud->Intercept = nullptr;
  EXPECT_EQ(world.Get().Type, TokenType::MtlsPop);
}

TEST(SingleFlight, DestructionEndsWorkThatNobodyWaitsForAnyMore) {
  ManagedIdentityWorld world;
  Event arrived;
  world.Cloud->Intercept = [&](Arrived const&) -> std::optional<Answer> {
    arrived.Set();
    return JsonAnswer(json::object(), 503);
  };
  /// Waits, as a service that is down makes one wait.
  class PatientClock final : public Clock {
   public:
    SystemTime Now() const override { return std::chrono::system_clock::now(); }
    SteadyTime SteadyNow() const override { return std::chrono::steady_clock::now(); }
    void Sleep(std::chrono::nanoseconds, Context const& context) override { SystemClock()->Sleep(1min, context); }
  };
  world.Options.Time = std::shared_ptr<Clock>{std::make_shared<PatientClock>()};
  EXPECT_EQ(
      ErrorCodeOf([&] { GetEitherWay(world.Credential(), world.Request(), Context{}.WithTimeout(50ms)); }),
      "deadline_exceeded");
  ASSERT_TRUE(arrived.Wait());
  auto const started = std::chrono::steady_clock::now();
  world.Drop();
  EXPECT_LT(std::chrono::steady_clock::now() - started, Event::Patience);
}

TEST(Stores, CredentialsThatShareAStoreShareTheBinding) {
  ManagedIdentityWorld world;
  world.Options.Store = MakeMemoryBindingStore().get();
  auto const first = world.Get();
  world.Drop();
  auto const second = world.Get();
  EXPECT_EQ(second.Binding->X5tS256(), first.Binding->X5tS256());
  EXPECT_EQ(world.Cloud->Count("/issuecredential"), 1);

  // Another identity, attestation or strength is another binding.
  world.Options.Identity = ManagedIdentityId::FromClientId("abc");
  world.Drop();
  EXPECT_NE(world.Get().Binding->X5tS256(), first.Binding->X5tS256());
}

TEST(Stores, StoreThatFailsNeverMakesTheCredentialFail) {
  class Failing final : public BindingStore {
   public:
    std::unique_ptr<Lock> Acquire(std::string_view, Context const&) override { throw std::runtime_error("lock"); }
    std::optional<StoredBinding> Load(std::string_view) override { throw std::runtime_error("load"); }
    void Save(std::string_view, StoredBinding const&) override { throw std::runtime_error("save"); }
    void Remove(std::string_view, std::string_view) override { throw std::runtime_error("remove"); }
  };
  ManagedIdentityWorld world;
  world.Options.Store = std::make_shared<Failing>();
  auto const token = world.Get();
  EXPECT_EQ(world.GetInsteadOf(token).Type, TokenType::MtlsPop);
  for (char const* const line : {"lock_failed", "load_failed", "save_failed", "remove_failed"}) {
    EXPECT_THAT(world.Lines->Text(), testing::HasSubstr(line));
  }
}

/// 100 identities for a day: requests as calculated, and nothing piles up.
TEST(Cache, OneDayOfManyIdentities) {
  constexpr int identities = 100;
  auto const time = std::make_shared<ManualClock>();
  auto const cloud = std::make_shared<FakeCloud>(time);
  std::vector<std::unique_ptr<ManagedIdentityWorld>> worlds;
  for (int i = 0; i < identities; ++i) {
    auto world = std::make_unique<ManagedIdentityWorld>();
    world->Options.Time = std::shared_ptr<Clock>{time};
    world->Options.Transport = cloud;
    world->Options.Identity = ManagedIdentityId::FromClientId("identity-" + std::to_string(i));
    worlds.push_back(std::move(world));
  }
  for (auto& world : worlds) world->Get();
  int expectedMints = identities;
  int expectedTokens = identities;
  // The certificate lives eight hours and is renewed at four, each time with a new token.
  for (int hour = 4; hour < 24; hour += 4) {
    time->Advance(4h + 1s);
    for (auto& world : worlds) world->Get();
    expectedMints += identities;
    EXPECT_TRUE(Eventually([&] { return cloud->Count("/issuecredential") == expectedMints; })) << hour;
    expectedTokens += identities;
    EXPECT_TRUE(Eventually([&] {
      for (auto& world : worlds) world->Get();
      return cloud->Count(TokenPath) == expectedTokens;
    })) << hour;
  }
  EXPECT_EQ(cloud->Count("/issuecredential"), expectedMints);
  EXPECT_EQ(cloud->Count(TokenPath), expectedTokens);
}

}  // namespace
}  // namespace mtlspop::test
