#include "mtlspop/transport/observer.hpp"

#include <gmock/gmock.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "mtlspop/transport/log.hpp"
#include "support/scoped_environment.hpp"

namespace mtlspop {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

/// Keeps what it is told, as lines.
class Recorder final : public Observer {
 public:
  explicit Recorder(Severity minimum = Severity::Debug) : minimum_(minimum) {}

  void OnEvent(Event const& event) override {
    Lines.push_back(ToLine(event));
    Times.push_back(event.Time);
    LastNumber = event.Number("count", -1);
    LastText = std::string{event.Text("text")};
  }
  Severity Minimum() const noexcept override { return minimum_; }

  std::vector<std::string> Lines;
  std::vector<std::chrono::system_clock::time_point> Times;
  std::int64_t LastNumber = 0;
  std::string LastText;

 private:
  Severity minimum_;
};

TEST(EventSinkTest, TellsFromASeverityOn) {
  auto const recorder = std::make_shared<Recorder>(Severity::Info);
  EventSink const sink{recorder};
  EXPECT_FALSE(sink.IsEnabled(Severity::Debug));
  EXPECT_TRUE(sink.IsEnabled(Severity::Info));
  sink.Tell(Severity::Debug, "one");
  sink.Tell(Severity::Info, "two");
  sink.Tell(Severity::Error, "three");
  EXPECT_THAT(recorder->Lines, ElementsAre("two", "three"));
}

TEST(EventSinkTest, GivesFieldsAsWhatTheyAre) {
  auto const recorder = std::make_shared<Recorder>();
  auto const before = std::chrono::system_clock::now();
  EventSink{recorder}.Tell(Severity::Info, "thing.done", {{"text", "a b"}, {"count", 3}, {"yes", true}});
  EXPECT_THAT(recorder->Lines, ElementsAre("thing.done text=\"a b\" count=3 yes=true"));
  EXPECT_EQ(recorder->LastNumber, 3);
  EXPECT_EQ(recorder->LastText, "a b");
  EXPECT_GE(recorder->Times.at(0), before);
}

TEST(EventSinkTest, NobodyIsToldWhereTheObserverIsNull) {
  EventSink const sink{std::shared_ptr<Observer>{}};
  EXPECT_FALSE(sink.IsEnabled(Severity::Error));
  sink.Tell(Severity::Error, "event");
}

/// So that two credentials in one process can be told apart.
TEST(EventSinkTest, AddsTheFieldsOfWhoTells) {
  auto const recorder = std::make_shared<Recorder>();
  EventSink const sink{recorder};
  auto const one = sink.With({{"credential", "one"}, {"identity", ""}});
  one.With({{"tenant", "t"}}).Tell(Severity::Info, "a.b", {{"status", 200}});
  sink.Tell(Severity::Info, "c.d");
  auto const ofTenant = sink.With({{"tenant", "t"}});
  ofTenant.Tell(Severity::Info, "e.f", {{"tenant", "other"}});
  ofTenant.Tell(Severity::Info, "g.h", {{"tenant", ""}, {"status", 1}});
  EXPECT_THAT(
      recorder->Lines,
      ElementsAre("a.b status=200 credential=one tenant=t", "c.d", "e.f tenant=other", "g.h tenant=t status=1"));
}

TEST(EventSinkTest, RedactsEveryText) {
  auto const recorder = std::make_shared<Recorder>();
  constexpr char const* jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln";
  EventSink{recorder}.With({{"identity", jwt}}).Tell(Severity::Info, "a.b", {{"text", jwt}});
  EventSink{recorder}.Tell(Severity::Info, jwt);
  ASSERT_EQ(recorder->Lines.size(), 2U);
  for (auto const& line : recorder->Lines) {
    EXPECT_THAT(line, Not(HasSubstr("eyJ")));
    EXPECT_THAT(line, HasSubstr("[redacted]"));
  }
}

/// A secret that would be cut out of a line as a whole must not come through because its name and it are two things here.
TEST(EventSinkTest, RedactsAFieldWhoseNameTellsThatItIsSecret) {
  auto const recorder = std::make_shared<Recorder>();
  EventSink{recorder}
      .With({{"password", "hunter2"}})
      .Tell(Severity::Info, "a.b", {{"authorization", "hunter2"}, {"access_token", "hunter2"}});
  ASSERT_EQ(recorder->Lines.size(), 1U);
  EXPECT_THAT(recorder->Lines[0], Not(HasSubstr("hunter2")));
}

TEST(EventSinkTest, WatchingNeverFailsARequest) {
  class Broken final : public Observer {
    void OnEvent(Event const&) override { throw std::runtime_error{"disk full"}; }
  };
  auto const recorder = std::make_shared<Recorder>();
  EventSink const sink{TellAll({std::make_shared<Broken>(), nullptr, recorder})};
  EXPECT_NO_THROW(sink.Tell(Severity::Error, "a.b"));
  EXPECT_THAT(recorder->Lines, ElementsAre("a.b"));
}

TEST(EventSinkTest, SeveralObserversAreToldWhatEachWants) {
  auto const errors = std::make_shared<Recorder>(Severity::Error);
  auto const all = std::make_shared<Recorder>(Severity::Debug);
  EventSink const sink{TellAll({errors, all})};
  sink.Tell(Severity::Debug, "a.b");
  sink.Tell(Severity::Error, "c.d");
  EXPECT_THAT(errors->Lines, ElementsAre("c.d"));
  EXPECT_THAT(all->Lines, ElementsAre("a.b", "c.d"));
  EXPECT_EQ(TellAll({nullptr}), nullptr);
}

/// A sink that was made before hears of a new default observer too; one with an observer of its own does not.
TEST(DefaultObserverTest, IsToldOfWhatNamesNoOther) {
  auto const mine = std::make_shared<Recorder>();
  EventSink const byDefault;
  auto const withFields = byDefault.With({{"credential", "x"}});
  EventSink const own{mine};
  auto const recorder = std::make_shared<Recorder>();
  SetDefaultObserver(recorder);
  byDefault.Tell(Severity::Info, "a.b");
  withFields.Tell(Severity::Info, "c.d");
  own.Tell(Severity::Info, "e.f");
  SetDefaultObserver(nullptr);
  byDefault.Tell(Severity::Info, "g.h");
  EXPECT_FALSE(byDefault.IsEnabled(Severity::Error));
  EXPECT_THAT(recorder->Lines, ElementsAre("a.b", "c.d credential=x"));
  EXPECT_THAT(mine->Lines, ElementsAre("e.f"));
  EXPECT_TRUE(byDefault.IsDefault());
  EXPECT_TRUE(withFields.IsDefault());
  EXPECT_FALSE(own.IsDefault());
}

/// A framework's log is beside whatever the application names, and silent where it wants nobody to be told.
TEST(AddedObserverTest, IsToldBesideTheOthers) {
  auto const framework = std::make_shared<Recorder>(Severity::Info);
  auto const mine = std::make_shared<Recorder>(Severity::Warning);
  EventSink const before;
  AddObserver(framework);
  SetDefaultObserver(nullptr);
  before.Tell(Severity::Info, "a.b", {{"password", "hunter2"}});
  before.Tell(Severity::Debug, "c.d");
  EventSink const own{mine};
  EXPECT_TRUE(own.IsEnabled(Severity::Info));
  own.Tell(Severity::Info, "e.f");
  own.Tell(Severity::Error, "g.h");
  EventSink{std::shared_ptr<Observer>{}}.Tell(Severity::Error, "i.j");
  EXPECT_THAT(framework->Lines, ElementsAre(HasSubstr("a.b"), "e.f", "g.h"));
  EXPECT_THAT(framework->Lines.at(0), Not(HasSubstr("hunter2")));
  EXPECT_THAT(mine->Lines, ElementsAre("g.h"));
}

/// As that of a framework, whose level the application changes while it runs.
TEST(EventSinkTest, AnObserverMayChangeItsMind) {
  class Changing final : public Observer {
   public:
    void OnEvent(Event const&) override { ++Count; }
    Severity Minimum() const noexcept override { return Least; }
    Severity Least = Severity::Error;
    int Count = 0;
  };
  auto const observer = std::make_shared<Changing>();
  EventSink const sink{observer};
  EXPECT_FALSE(sink.IsEnabled(Severity::Info));
  observer->Least = Severity::Info;
  EXPECT_TRUE(sink.IsEnabled(Severity::Info));
  sink.Tell(Severity::Info, "a.b");
  EXPECT_EQ(observer->Count, 1);
}

TEST(SeverityTest, HasANameEach) {
  EXPECT_EQ(ToString(Severity::Debug), "debug");
  EXPECT_EQ(ToString(Severity::Info), "info");
  EXPECT_EQ(ToString(Severity::Warning), "warning");
  EXPECT_EQ(ToString(Severity::Error), "error");
}

}  // namespace
}  // namespace mtlspop
