// The file store on a disk that others share, after a restore that mixed files up, and under strange settings.
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "crypto.hpp"
#include "mtlspop/base/encoding.hpp"
#include "store_world.hpp"
#include "support/error_code_of.hpp"

namespace mtlspop::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

mode_t ModeOf(std::string const& path) {
  struct stat status {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
  return status.st_mode & 07777U;
}

/// `text` with its digest made right again, as a careful forger does.
std::string WithDigest(nlohmann::json object) {
  auto others = object;
  others.erase("sha256");
  others.erase("key");
  auto const digest = crypto::Sha256(encoding::AsBytes(others.dump() + "\n" + object.at("key").get<std::string>()));
  object["sha256"] = encoding::ToBase64Url(digest);
  return object.dump();
}

/// Sets the umask for as long as it lives.
class Umask final {
 public:
  explicit Umask(mode_t mask) : before_(::umask(mask)) {}
  ~Umask() { ::umask(before_); }
  Umask(Umask const&) = delete;
  Umask& operator=(Umask const&) = delete;

 private:
  mode_t before_;
};

TEST(AttackFileStore, MissingParentsAreMadeForThisUserAlone) {
  TemporaryDirectory const directory;
  auto const folder = directory.PathOf("state/app/bindings");
  MakeFileBindingStore({folder});
  for (char const* const made : {"state", "state/app", "state/app/bindings"}) {
    EXPECT_EQ(ModeOf(directory.PathOf(made)), 0700U) << made;
  }
}

/// Not `std::system_error`, nor anything else that no caller expects.
TEST(AttackFileStore, WhatTheSystemRefusesIsAnErrorOfThisLibrary) {
  auto const codeOf = [](std::string const& folder) { return ErrorCodeOf([&] { MakeFileBindingStore({folder}); }); };
  TemporaryDirectory const directory;
  auto const file = directory.WriteFile("file", "");
  EXPECT_EQ(codeOf(file + "/below"), "binding_store_unusable");
  EXPECT_EQ(codeOf("/proc/self/nothing"), "binding_store_unusable");
  EXPECT_EQ(codeOf(directory.PathOf(std::string(300, 'x'))), "binding_store_unusable");
  EXPECT_EQ(
      codeOf(directory.Path() + "/" + std::string(5000, '/') + "x/" + std::string(5000, 'y')),
      "binding_store_unusable");
  EXPECT_EQ(codeOf(""), "invalid_argument");
  EXPECT_EQ(codeOf(std::string{"a\0b", 3}), "invalid_argument");
}

TEST(AttackFileStore, LinkToAFolderIsRefusedWithASlashBehindItToo) {
  TemporaryDirectory const directory;
  ASSERT_EQ(::mkdir(directory.PathOf("real").c_str(), 0700), 0);
  ASSERT_EQ(::symlink(directory.PathOf("real").c_str(), directory.PathOf("link").c_str()), 0);
  for (char const* const name : {"link", "link/", "link//"}) {
    EXPECT_EQ(ErrorCodeOf([&] { MakeFileBindingStore({directory.PathOf(name)}); }), "invalid_argument") << name;
  }
  EXPECT_EQ(ErrorCodeOf([&] { MakeFileBindingStore({directory.PathOf("real/")}); }), "no error");
}

TEST(AttackFileStore, FolderBelowOneThatOthersMayWriteIsRefused) {
  TemporaryDirectory const directory;
  for (mode_t const mode : {0777U, 0775U, 01777U, 0755U}) {
    auto const parent = directory.PathOf("parent" + std::to_string(mode));
    ASSERT_EQ(::mkdir(parent.c_str(), 0700), 0);
    ASSERT_EQ(::chmod(parent.c_str(), mode), 0);
    bool const isGood = mode == 01777U || mode == 0755U;
    EXPECT_EQ(ErrorCodeOf([&] { MakeFileBindingStore({parent + "/a/b"}); }), isGood ? "no error" : "invalid_argument")
        << mode;
  }
}

TEST(AttackFileStore, ModesDoNotDependOnTheUmask) {
  Umask const nothing{0777};
  StoreWorld world;
  auto const lock = world.Store->Acquire("name", {});
  EXPECT_EQ(ModeOf(world.Folder), 0700U);
  EXPECT_EQ(ModeOf(world.File()), 0600U);
  EXPECT_EQ(ModeOf(world.Files(".lock").at(0)), 0600U);
  EXPECT_TRUE(world.Make()->Load("name"));
}

/// What was set aside has a key in it.
TEST(AttackFileStore, WhatWasSetAsideGoesAfterADay) {
  StoreWorld world;
  Overwrite(world.File(), "{}");
  EXPECT_FALSE(world.Store->Load("name"));
  EXPECT_EQ(world.Files(".damaged").size(), 1U);
  world.Time->Advance(23h);
  world.Make();
  EXPECT_EQ(world.Files(".damaged").size(), 1U);
  world.Time->Advance(2h);
  world.Make();
  EXPECT_TRUE(world.Files(".damaged").empty());
}

/// A restore or a copy that exchanged two identities' files must not give one's token to the other's caller.
TEST(AttackFileStore, FileOfAnotherIdentityIsSetAside) {
  StoreWorld world;
  auto const mine = world.File();
  world.Store->Save("other", world.Binding);
  for (auto const& path : world.Files(".json")) {
    if (path != mine) std::filesystem::rename(path, mine);
  }
  EXPECT_FALSE(world.Store->Load("name"));
  EXPECT_EQ(world.Files(".damaged").size(), 1U);
  EXPECT_THAT(world.Lines.Text(), HasSubstr("store.binding_set_aside"));
}

/// A folder that was copied, or the disk of a machine that others are made of. Starting the machine anew looks the same.
TEST(AttackFileStore, FileOfAnotherMachineIsSetAside) {
  for (bool const isNamed : {true, false}) {
    StoreWorld world;
    auto object = nlohmann::json::parse(ReadFile(world.File()));
    if (isNamed) {
      object["boot_id"] = "00000000-0000-4000-8000-000000000000";
    } else {
      object.erase("boot_id");
    }
    Overwrite(world.File(), WithDigest(object));
    EXPECT_FALSE(world.Store->Load("name"));
    EXPECT_EQ(world.Files(".damaged").size(), 1U);
    EXPECT_THAT(world.Lines.Text(), HasSubstr("another machine's"));
  }
}

TEST(AttackFileStore, StoredEndpointsAreChecked) {
  for (char const* const member : {"mtls_endpoint", "token_endpoint"}) {
    for (char const* const endpoint :
         {"http://mtlsauth.microsoft.com", "https://user@mtlsauth.microsoft.com", "mtlsauth.microsoft.com",
          "https://evil\\.example", "https://mtlsauth.microsoft.com#x"}) {
      StoreWorld world;
      auto object = nlohmann::json::parse(ReadFile(world.File()));
      object[member] = endpoint;
      Overwrite(world.File(), WithDigest(object));
      EXPECT_FALSE(world.Store->Load("name")) << member << ' ' << endpoint;
    }
  }
  // The forger's tool works.
  StoreWorld world;
  Overwrite(world.File(), WithDigest(nlohmann::json::parse(ReadFile(world.File()))));
  EXPECT_TRUE(world.Store->Load("name"));
}

/// Each start of the process would crash at it.
TEST(AttackFileStore, NestedFileIsSetAside) {
  for (std::string const& nested :
       {std::string(400'000, '['), std::string(100'000, '[') + std::string(100'000, ']'),
        "{\"chain\":" + std::string(100'000, '[') + std::string(100'000, ']') + "}"}) {
    StoreWorld world;
    Overwrite(world.File(), nested);
    EXPECT_FALSE(world.Store->Load("name"));
    EXPECT_EQ(world.Files(".damaged").size(), 1U);
  }
}

TEST(AttackFileStore, NumbersOfAnySizeAreSetAside) {
  for (auto const& number : {"9e15", "-1", "1e300", "9223372036854775807", "18446744073709551615", "null", "[]"}) {
    StoreWorld world;
    auto object = nlohmann::json::parse(ReadFile(world.File()));
    object["issued_on"] = nlohmann::json::parse(number);
    Overwrite(world.File(), WithDigest(object));
    EXPECT_FALSE(world.Store->Load("name")) << number;
  }
}

/// A store of an application's own that fails in its own way.
class Thrower final : public BindingStore {
 public:
  std::unique_ptr<Lock> Acquire(std::string_view, Context const&) override { throw 1; }
  std::optional<StoredBinding> Load(std::string_view) override { throw "two"; }
  void Save(std::string_view, StoredBinding const&) override { throw std::string{"three"}; }
  void Remove(std::string_view, std::string_view) override { throw 4.0; }
};

/// A store may be anybody's, and so may what has rested in it: what it names is looked at whoever kept it.
class Tempter final : public BindingStore {
 public:
  std::unique_ptr<Lock> Acquire(std::string_view, Context const&) override { return nullptr; }
  std::optional<StoredBinding> Load(std::string_view) override { return Kept; }
  void Save(std::string_view, StoredBinding const& binding) override { Kept = binding; }
  void Remove(std::string_view, std::string_view) override { Kept.reset(); }

  std::optional<StoredBinding> Kept;
};

TEST(AttackFileStore, EndpointsAndTenantOfAnyStoreAreLookedAt) {
  auto const change = [](auto&& how) {
    auto const store = std::make_shared<Tempter>();
    ManagedIdentityWorld first;
    first.Options.Store = store;
    first.Get();
    how(*store->Kept);
    ManagedIdentityWorld second;
    second.Options.Store = store;
    second.Get();
    return second.Cloud->Count("issuecredential");
  };
  EXPECT_EQ(change([](StoredBinding&) {}), 0);
  EXPECT_EQ(change([](StoredBinding& binding) { binding.MtlsEndpoint = "http://127.0.0.1"; }), 1);
  EXPECT_EQ(change([](StoredBinding& binding) { binding.TokenEndpoint = "https://a.example/b?c"; }), 1);
  EXPECT_EQ(change([](StoredBinding& binding) { binding.TenantId = ".."; }), 1);
}

TEST(AttackFileStore, StoreThatThrowsAnythingFailsNoCall) {
  ManagedIdentityWorld world;
  world.Options.Store = std::make_shared<Thrower>();
  EXPECT_FALSE(world.Get().Token.Empty());
  for (char const* const line : {"store.lock_failed", "store.load_failed", "store.save_failed"}) {
    EXPECT_THAT(world.Lines->Text(), HasSubstr(line));
  }
}

}  // namespace
}  // namespace mtlspop::test
