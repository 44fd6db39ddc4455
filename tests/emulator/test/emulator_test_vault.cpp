// Lists, pages and deletion in Key Vault; lists of blobs.
#include <gtest/gtest.h>

#include <set>

#include "emulated_app.hpp"

namespace emulator_test {
namespace {

using nlohmann::json;

class Resources : public testing::Test {
 protected:
  CallAnswer Call(std::string const& method, std::string const& target, std::string body = {}, std::string host = {}) {
    auto request = BoundCall(method, target, host.empty() ? _token : _storageToken);
    request.Headers.emplace_back("Host", host.empty() ? "contoso.vault.azure.net" : host);
    request.Body = std::move(body);
    return _connection.Call(request);
  }

  static std::string At(std::string const& path) { return path + "?api-version=7.4"; }

  void PutSecret(std::string const& name) {
    EXPECT_EQ(Call("PUT", At("/secrets/" + name), R"({"value":"v-)" + name + R"("})").Status, 200U) << name;
  }

  // The names in all pages that begin with this target; fails where a page is too long or a name comes twice.
  std::vector<std::string> NamesFrom(std::string target, std::size_t atMost, std::string const& member = "id") {
    std::vector<std::string> names;
    std::string const base = "https://contoso.vault.azure.net";
    for (int pages = 0; !target.empty() && pages < 100; ++pages) {
      auto const page = json::parse(Call("GET", target).Body);
      EXPECT_LE(page.at("value").size(), atMost);
      for (auto const& item : page.at("value")) {
        auto const id = item.at(member).get<std::string>();
        names.push_back(id.substr(id.rfind('/') + 1));
      }
      auto const next = page.at("nextLink").is_null() ? std::string() : page.at("nextLink").get<std::string>();
      EXPECT_TRUE(next.empty() || next.compare(0, base.size(), base) == 0) << next;
      target = next.empty() ? next : next.substr(base.size());
    }
    EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), names.size());
    return names;
  }

  CallAnswer Blob(std::string const& method, std::string const& target, std::string body = {}) {
    return Call(method, target, std::move(body), "contoso.blob.core.windows.net");
  }

  EmulatorProcess _emulator{{"--secret", "first=1"}};
  EmulatedApp _app{_emulator};
  Credentials const& _binding = _app.Bind();
  std::string const _token = _app.Token();
  std::string const _storageToken = _app.Token("https://storage.azure.com/.default");
  TestConnection _connection{_emulator.Authority("vault"), _app.Tls(&_binding)};
};

TEST_F(Resources, SecretsComeInPages) {
  std::vector<std::string> expected = {"first"};
  for (int i = 10; i < 40; ++i) {
    expected.push_back("s-" + std::to_string(i));
    PutSecret(expected.back());
  }
  EXPECT_EQ(json::parse(Call("GET", At("/secrets")).Body).at("value").size(), 25U);
  EXPECT_EQ(NamesFrom(At("/secrets"), 25), expected);
  EXPECT_EQ(NamesFrom(At("/secrets") + "&maxresults=7", 7), expected);
  EXPECT_EQ(NamesFrom(At("/secrets") + "&maxresults=1", 1), expected);
}

TEST_F(Resources, APageThatIsExactlyFullIsTheLast) {
  PutSecret("second");
  auto const page = json::parse(Call("GET", At("/secrets") + "&maxresults=2").Body);
  EXPECT_EQ(page.at("value").size(), 2U);
  EXPECT_TRUE(page.at("nextLink").is_null());
}

TEST_F(Resources, PagesGoOnWhereTheyWereThoughSecretsComeAndGo) {
  for (auto const* const name : {"a", "c", "e"}) {
    PutSecret(name);
  }
  auto const page = json::parse(Call("GET", At("/secrets") + "&maxresults=2").Body);
  PutSecret("b");
  PutSecret("d");
  Call("DELETE", At("/secrets/c"));
  auto const next = page.at("nextLink").get<std::string>();
  EXPECT_EQ(NamesFrom(next.substr(next.find("/secrets")), 2), (std::vector<std::string>{"d", "e", "first"}));
}

TEST_F(Resources, PagesOfAnImpossibleSizeAreRefused) {
  for (auto const* const query :
       {"&maxresults=0", "&maxresults=26", "&maxresults=x", "&maxresults=-1", "&$skiptoken=!"}) {
    EXPECT_EQ(Call("GET", At("/secrets") + query).Status, 400U) << query;
  }
}

TEST_F(Resources, VersionsComeInPages) {
  PutSecret("note");
  PutSecret("note");
  PutSecret("note");
  auto const versions = NamesFrom(At("/secrets/note/versions") + "&maxresults=2", 2);
  ASSERT_EQ(versions.size(), 3U);
  EXPECT_EQ(Call("GET", At("/secrets/note/" + versions[0])).Status, 200U);
  EXPECT_EQ(Call("GET", At("/secrets/none/versions")).Status, 404U);
}

TEST_F(Resources, KeysAreListedToo) {
  for (auto const* const name : {"k-1", "k-2", "k-3"}) {
    EXPECT_EQ(Call("POST", At("/keys/" + std::string(name) + "/create"), R"({"kty":"RSA"})").Status, 200U);
  }
  EXPECT_EQ(NamesFrom(At("/keys") + "&maxresults=2", 2, "kid"), (std::vector<std::string>{"k-1", "k-2", "k-3"}));
  EXPECT_EQ(NamesFrom(At("/keys/k-1/versions"), 25, "kid").size(), 1U);
  auto const item = json::parse(Call("GET", At("/keys")).Body).at("value").at(0);
  EXPECT_FALSE(item.contains("key")) << "a list names keys, and does not show them";
  EXPECT_EQ(item.at("kid"), "https://contoso.vault.azure.net/keys/k-1");
}

TEST_F(Resources, ListsShowNoValue) {
  PutSecret("hidden");
  EXPECT_EQ(Call("GET", At("/secrets")).Body.find("v-hidden"), std::string::npos);
  Call("DELETE", At("/secrets/hidden"));
  EXPECT_EQ(Call("GET", At("/deletedsecrets")).Body.find("v-hidden"), std::string::npos);
}

TEST_F(Resources, DeletedSecretsCanBeRecoveredOrPurged) {
  PutSecret("gone");
  auto const deleted = json::parse(Call("DELETE", At("/secrets/gone")).Body);
  EXPECT_EQ(deleted.at("recoveryId"), "https://contoso.vault.azure.net/deletedsecrets/gone");
  EXPECT_GT(deleted.at("scheduledPurgeDate"), deleted.at("deletedDate"));
  EXPECT_FALSE(deleted.contains("value"));
  EXPECT_EQ(Call("GET", At("/secrets/gone")).Status, 404U);
  EXPECT_EQ(Call("DELETE", At("/secrets/gone")).Status, 404U);
  EXPECT_EQ(NamesFrom(At("/secrets"), 25), std::vector<std::string>{"first"});
  EXPECT_EQ(NamesFrom(At("/deletedsecrets"), 25), std::vector<std::string>{"gone"});

  auto const conflict = Call("PUT", At("/secrets/gone"), R"({"value":"x"})");
  EXPECT_EQ(conflict.Status, 409U);
  EXPECT_NE(ErrorText(conflict).find("ObjectIsDeletedButRecoverable"), std::string::npos);

  EXPECT_EQ(Call("POST", At("/deletedsecrets/gone/recover")).Status, 200U);
  EXPECT_EQ(json::parse(Call("GET", At("/secrets/gone")).Body).at("value"), "v-gone");
  EXPECT_EQ(Call("GET", At("/deletedsecrets/gone")).Status, 404U);

  Call("DELETE", At("/secrets/gone"));
  EXPECT_EQ(Call("DELETE", At("/deletedsecrets/gone")).Status, 204U);
  EXPECT_EQ(Call("DELETE", At("/deletedsecrets/gone")).Status, 404U);
  EXPECT_EQ(Call("POST", At("/deletedsecrets/gone/recover")).Status, 404U);
  PutSecret("gone");
}

TEST_F(Resources, DeletedKeysCanBePurged) {
  Call("POST", At("/keys/k/create"), R"({"kty":"RSA"})");
  auto const deleted = json::parse(Call("DELETE", At("/keys/k")).Body);
  EXPECT_EQ(deleted.at("recoveryId"), "https://contoso.vault.azure.net/deletedkeys/k");
  EXPECT_EQ(deleted.at("key").at("kty"), "RSA");
  EXPECT_EQ(Call("GET", At("/keys/k")).Status, 404U);
  EXPECT_EQ(NamesFrom(At("/deletedkeys"), 25, "kid"), std::vector<std::string>{"k"});
  EXPECT_EQ(Call("DELETE", At("/deletedkeys/k")).Status, 204U);
}

TEST_F(Resources, NamesAreThoseOfTheRealVault) {
  for (auto const& name :
       {std::string("under_score"), std::string("dot.ted"), std::string("%41"), std::string(128, 'a')}) {
    EXPECT_EQ(Call("PUT", At("/secrets/" + name), R"({"value":"x"})").Status, 400U) << name;
  }
  PutSecret(std::string(127, 'a'));
}

TEST_F(Resources, EveryCallNeedsTheBoundToken) {
  TestConnection thief(_emulator.Authority("vault"), _app.Tls(nullptr));
  for (auto const& [method, target] :
       {std::pair("GET", "/secrets"),
        {"DELETE", "/secrets/first"},
        {"GET", "/deletedsecrets"},
        {"DELETE", "/deletedsecrets/first"},
        {"POST", "/deletedsecrets/first/recover"},
        {"GET", "/keys"},
        {"GET", "/secrets/first/versions"}}) {
    EXPECT_EQ(thief.Call(BoundCall(method, At(target), _token)).Status, 401U) << method << " " << target;
  }
  EXPECT_EQ(Call("GET", At("/secrets/first")).Status, 200U);
}

TEST_F(Resources, BlobsAreListed) {
  for (auto const* const name : {"a/1", "a/2", "b", "c%20c", "d%26%3Ce", "f+f"}) {
    EXPECT_EQ(Blob("PUT", "/docs/" + std::string(name), "12345").Status, 201U) << name;
  }
  Blob("PUT", "/docs-of-others/x", "");
  auto const all = Blob("GET", "/docs?restype=container&comp=list");
  EXPECT_EQ(all.Status, 200U);
  EXPECT_EQ(all.Header("Content-Type"), "application/xml");
  for (auto const* const name : {"a/1", "a/2", "b", "c c", "d&amp;&lt;e", "f+f"}) {
    EXPECT_NE(all.Body.find("<Name>" + std::string(name) + "</Name>"), std::string::npos) << name << all.Body;
  }
  EXPECT_NE(all.Body.find("<Content-Length>5</Content-Length>"), std::string::npos);
  EXPECT_NE(all.Body.find("ContainerName=\"docs\""), std::string::npos);
  EXPECT_NE(all.Body.find("<NextMarker />"), std::string::npos);
  EXPECT_EQ(all.Body.find("<Name>x"), std::string::npos);
  EXPECT_EQ(Blob("GET", "/docs/c%20c").Body, "12345");
  EXPECT_EQ(Blob("GET", "/nothing?restype=container&comp=list").Body.find("<Blob>"), std::string::npos);
}

TEST_F(Resources, BlobListsHavePrefixDelimiterAndPages) {
  for (auto const* const name : {"a/1", "a/2", "b", "c/1", "d"}) {
    Blob("PUT", "/docs/" + std::string(name), "");
  }
  auto const grouped = Blob("GET", "/docs?restype=container&comp=list&delimiter=%2F").Body;
  EXPECT_NE(grouped.find("<BlobPrefix><Name>a/</Name></BlobPrefix><Blob><Name>b</Name>"), std::string::npos) << grouped;
  auto const below = Blob("GET", "/docs?restype=container&comp=list&delimiter=%2F&prefix=a%2F").Body;
  EXPECT_NE(below.find("<Name>a/1</Name>"), std::string::npos) << below;
  EXPECT_EQ(below.find("<Name>b</Name>"), std::string::npos);

  auto const first = Blob("GET", "/docs?restype=container&comp=list&maxresults=2").Body;
  EXPECT_NE(first.find("<NextMarker>b</NextMarker>"), std::string::npos) << first;
  auto const second = Blob("GET", "/docs?restype=container&comp=list&maxresults=2&marker=b").Body;
  EXPECT_EQ(second.find("<Name>a/2</Name>"), std::string::npos);
  EXPECT_NE(second.find("<Name>c/1</Name>"), std::string::npos);
}

TEST_F(Resources, BlobsCanBeDeletedOnce) {
  Blob("PUT", "/docs/b", "x");
  EXPECT_EQ(Blob("DELETE", "/docs/b").Status, 202U);
  EXPECT_EQ(Blob("DELETE", "/docs/b").Status, 404U);
  EXPECT_EQ(Blob("PUT", "/docs/%00", "x").Status, 400U);
  EXPECT_EQ(Blob("PUT", "/docs/%ff", "x").Status, 400U);
}

}  // namespace
}  // namespace emulator_test
