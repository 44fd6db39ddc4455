// The file store when others use it at the same time, the process has no files left, or the disk has changed a byte.
#include <sys/resource.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_cloud.hpp"
#include "mtlspop/credential/binding_store.hpp"
#include "store_world.hpp"
#include "support/event.hpp"

namespace mtlspop::test {
namespace {

using namespace std::chrono_literals;

/// Lets the process open no more files.
class NoMoreFiles final {
 public:
  NoMoreFiles() {
    // A sanitizer that meets a class for the first time looks at it through a pipe.
    static_cast<void>(std::error_code{EMFILE, std::generic_category()}.message());
    static_cast<void>(std::error_code{EMFILE, std::system_category()}.message());
    ::getrlimit(RLIMIT_NOFILE, &before_);
    rlimit none = before_;
    none.rlim_cur = 0;
    ::setrlimit(RLIMIT_NOFILE, &none);
  }
  ~NoMoreFiles() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  NoMoreFiles(NoMoreFiles const&) = delete;
  NoMoreFiles& operator=(NoMoreFiles const&) = delete;

 private:
  rlimit before_{};
};

TEST(FileStoreTrouble, BindingStaysWhereThisProcessHasTooManyOpenFiles) {
  StoreWorld world;
  {
    NoMoreFiles const none;
    EXPECT_THROW(world.Store->Load("name"), std::runtime_error);
  }
  EXPECT_TRUE(world.Files(".damaged").empty());
  EXPECT_TRUE(world.Store->Load("name"));
}

/// Whoever holds the lock may be about to save the next binding under the same name.
TEST(FileStoreTrouble, NothingIsRemovedWhileAnotherHoldsTheLock) {
  StoreWorld world;
  auto const other = world.Make();
  auto held = other->Acquire("name", {});
  ASSERT_TRUE(held);
  EXPECT_THROW(world.Store->Remove("name", world.X5tS256()), std::runtime_error);
  EXPECT_TRUE(other->Load("name"));
  held.reset();
  world.Store->Remove("name", "another");
  EXPECT_TRUE(other->Load("name"));
  world.Store->Remove("name", world.X5tS256());
  EXPECT_FALSE(other->Load("name"));
}

/// Each member counts, also those that no certificate vouches for: tokens are asked for where and as whom they say.
TEST(FileStoreTrouble, FileWithAnotherByteInAnyMemberIsSetAside) {
  for (std::string const member :
       {"attested", "chain", "client_id", "issued_on", "key", "x5t_s256", "mtls_endpoint", "sha256", "tenant_id"}) {
    StoreWorld world;
    auto const path = world.File();
    auto text = ReadFile(path);
    auto position = text.find("\"" + member + "\":") + member.size() + 3;
    ASSERT_LT(position, text.size()) << member;
    if (member == "attested") {
      text.replace(position, 5, "true");
    } else {
      position += member == "issued_on" ? 3 : member == "key" ? 100 : 12;
      text[position] = text[position] == '1' ? '2' : '1';
    }
    Overwrite(path, text);
    EXPECT_FALSE(world.Store->Load("name")) << member;
    EXPECT_EQ(world.Files(".damaged").size(), 1U) << member;
    EXPECT_THAT(world.Lines.Text(), testing::HasSubstr("store.binding_set_aside")) << member;
  }
}

TEST(FileStoreTrouble, BindingThatWasIssuedTomorrowIsSetAside) {
  for (bool const good : {true, false}) {
    StoreWorld world;
    world.Binding.IssuedOn = world.Time->Now() + (good ? 4min : 6min);
    world.Store->Save("name", world.Binding);
    EXPECT_EQ(world.Store->Load("name").has_value(), good);
    EXPECT_EQ(world.Files(".damaged").empty(), good);
  }
}

/// A writer that was killed leaves a file behind, with a key in it.
TEST(FileStoreTrouble, WhatADeadWriterLeftGoesAfterAnHour) {
  StoreWorld world;
  auto const path = world.Files(".json").at(0);
  for (auto const& name : {path + ".0123.new", world.Folder + "/mine.new"}) std::ofstream{name} << "half a key";
  world.Store->Save("name", world.Binding);
  EXPECT_EQ(world.Files(".new").size(), 2U);
  world.Time->Advance(1h + 1min);
  world.Store->Save("name", world.Binding);
  // Nothing that somebody else put there.
  EXPECT_THAT(world.Files(".new"), testing::ElementsAre(world.Folder + "/mine.new"));
  EXPECT_TRUE(world.Store->Load("name"));
}

/// Whoever holds the lock can need as long as the metadata service's retries take (section 2): 70 s and more.
TEST(FileStoreTrouble, LockIsWaitedForAsLongAsItsHolderMayNeed) {
  class CountingClock final : public Clock {
   public:
    SystemTime Now() const override { return std::chrono::system_clock::now(); }
    SteadyTime SteadyNow() const override {
      ++Looks;
      return SteadyTime{} + Passed.load();
    }
    void Sleep(std::chrono::nanoseconds, Context const&) override {}
    mutable std::atomic<int> Looks{0};
    std::atomic<std::chrono::seconds> Passed{0s};
  };
  StoreWorld world;
  auto const time = std::make_shared<CountingClock>();
  auto const other = MakeFileBindingStore({world.Folder, {}, gsl::make_not_null(std::shared_ptr<Clock>{time})});
  auto held = world.Store->Acquire("name", {});
  for (auto const passed : {80s, 100s}) {
    time->Passed = 0s;
    time->Looks = 0;
    auto waiter = std::async(std::launch::async, [&] { return other->Acquire("name", {}); });
    EXPECT_TRUE(Eventually([&] { return time->Looks > 1; }));
    time->Passed = passed;
    int const looks = time->Looks;
    if (passed < 90s) {
      EXPECT_TRUE(Eventually([&] { return time->Looks > looks + 2; }, 2s));
      held.reset();
      EXPECT_TRUE(held = waiter.get());
    } else {
      EXPECT_FALSE(waiter.get());
    }
  }
}

}  // namespace
}  // namespace mtlspop::test
