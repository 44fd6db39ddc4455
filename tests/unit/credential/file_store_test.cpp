// The file store: keys that may rest on disk (sections 8 and 10.5 of the wire contract).
#include <sys/stat.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_cloud.hpp"
#include "mtlspop/credential/binding_store.hpp"
#include "mtlspop/transport/openssl.hpp"
#include "store_folder.hpp"
#include "support/error_code_of.hpp"
#include "support/temporary_directory.hpp"

namespace mtlspop::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

/// A credential that keeps its binding in a file.
struct FileWorld : ManagedIdentityWorld, StoreFolder {
  FileWorld() { Use(); }
  /// Begins anew with what is in the folder.
  void Use() {
    Drop();
    Options.Store =
        MakeFileBindingStore({Folder, Lines->MakeObserver(), gsl::make_not_null(std::shared_ptr<Clock>{Time})});
  }
};

mode_t ModeOf(std::string const& path) {
  struct stat status {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0);
  return status.st_mode & 0777;
}

TEST(FileStore, SparesTheNextProcessTheCertificate) {
  FileWorld world;
  auto const first = world.Get();
  world.Use();
  auto const second = world.Get();
  EXPECT_EQ(second.Binding->X5tS256(), first.Binding->X5tS256());
  EXPECT_EQ(world.Cloud->Count("/issuecredential"), 1);
  EXPECT_EQ(world.Keys->Made(), 1);
}

TEST(FileStore, FileIs0600InAFolderOf0700AndNothingIsLeftBeside) {
  FileWorld world;
  world.Get();
  EXPECT_EQ(ModeOf(world.Folder), 0700U);
  EXPECT_EQ(ModeOf(world.File()), 0600U);
  EXPECT_TRUE(world.Files(".new").empty());
}

TEST(FileStore, FolderThatOthersMayEnterIsRefused) {
  TemporaryDirectory directory;
  auto const folder = directory.PathOf("open");
  ASSERT_EQ(::mkdir(folder.c_str(), 0755), 0);
  EXPECT_EQ(ErrorCodeOf([&] { MakeFileBindingStore({folder}); }), "invalid_argument");
  auto const file = directory.WriteFile("file", "");
  EXPECT_EQ(ErrorCodeOf([&] { MakeFileBindingStore({file}); }), "invalid_argument");
}

/// NET 5755: a corrupt certificate must not fail every handshake until somebody removes it.
TEST(FileStore, DamagedFileIsSetAsideWithAWarning) {
  for (auto const& damage : std::vector<std::function<void(std::string&)>>{
           [](std::string& text) { text.resize(text.size() / 2); }, [](std::string& text) { text = "{}"; },
           [](std::string& text) { text.replace(text.find("BEGIN"), 5, "BEGUN"); },
           [](std::string& text) { text.replace(text.find("\"chain\":[\"") + 40, 4, "AAAA"); },
           [](std::string& text) { text.replace(text.find("\"version\":2"), 11, "\"version\":3"); }}) {
    FileWorld world;
    auto const first = world.Get();
    auto const path = world.File();
    auto text = ReadFile(path);
    damage(text);
    Overwrite(path, text);
    world.Use();
    EXPECT_NE(world.Get().Binding->X5tS256(), first.Binding->X5tS256());
    EXPECT_THAT(world.Lines->Text(), HasSubstr("store.binding_set_aside"));
    EXPECT_EQ(world.Files(".damaged").size(), 1U);
    EXPECT_EQ(world.Files(".json").size(), 1U);
  }
}

TEST(FileStore, FileThatOthersMayReadIsNotTrusted) {
  FileWorld world;
  auto const first = world.Get();
  ASSERT_EQ(::chmod(world.File().c_str(), 0644), 0);
  world.Use();
  EXPECT_NE(world.Get().Binding->X5tS256(), first.Binding->X5tS256());
  EXPECT_EQ(world.Files(".damaged").size(), 1U);
}

TEST(FileStore, LinkIsNotFollowed) {
  FileWorld world;
  auto const first = world.Get();
  auto const path = world.File();
  ASSERT_EQ(::rename(path.c_str(), (path + ".real").c_str()), 0);
  ASSERT_EQ(::symlink((path + ".real").c_str(), path.c_str()), 0);
  world.Use();
  EXPECT_NE(world.Get().Binding->X5tS256(), first.Binding->X5tS256());
}

TEST(FileStore, KeyOfAnotherCertificateIsNotUsed) {
  FileWorld world;
  auto const first = world.Get();
  auto const firstText = ReadFile(world.File());
  world.GetInsteadOf(first);
  auto text = nlohmann::json::parse(ReadFile(world.File()));
  text["key"] = nlohmann::json::parse(firstText).at("key");
  Overwrite(world.File(), text.dump());
  world.Use();
  world.Get();
  EXPECT_EQ(world.Files(".damaged").size(), 1U);
}

TEST(FileStore, CertificateWithTooLittleLifeIsNotUsed) {
  FileWorld world;
  auto const first = world.Get();
  world.Time->Advance(5h);
  world.Use();
  EXPECT_NE(world.Get().Binding->X5tS256(), first.Binding->X5tS256());
}

TEST(FileStore, RefusedBindingIsForgotten) {
  FileWorld world;
  auto const first = world.Get();
  auto const second = world.GetInsteadOf(first);
  // The lock that is held while the next one is made is no hindrance to removing this one.
  EXPECT_THAT(world.Lines->Text(), testing::Not(HasSubstr("store.remove_failed")));
  world.Use();
  EXPECT_EQ(world.Get().Binding->X5tS256(), second.Binding->X5tS256());
}

TEST(FileStore, LockIsHeldByOneAtATime) {
  FileWorld world;
  auto const other = MakeFileBindingStore({world.Folder});
  auto held = world.Options.Store->Acquire("name", {});
  ASSERT_TRUE(held);
  EXPECT_FALSE(other->Acquire("name", Context{}.WithTimeout(30ms)));
  EXPECT_TRUE(other->Acquire("another", {}));
  std::thread waiter{[&] { EXPECT_TRUE(other->Acquire("name", {})); }};
  held.reset();
  waiter.join();
}

TEST(FileStore, TwoCredentialsAtOnceGetOneCertificate) {
  FileWorld first;
  FileWorld second;
  second.Folder = first.Folder;
  second.Options.Transport = first.Cloud;
  second.Use();
  std::thread other{[&] { second.Get(); }};
  first.Get();
  other.join();
  EXPECT_EQ(first.Cloud->Count("/issuecredential"), 1);
}

}  // namespace
}  // namespace mtlspop::test
