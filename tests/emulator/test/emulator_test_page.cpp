// The page on the control port, what it reads, and who is kept out.
#include <gtest/gtest.h>
#include <openssl/evp.h>

#include "emulated_app.hpp"

namespace emulator_test {
namespace {

using nlohmann::json;
using Headers = std::vector<std::pair<std::string, std::string>>;

CallAnswer CallControl(EmulatorProcess& emulator, CallRequest const& request) {
  TestConnection connection(emulator.Authority("control"));
  return connection.Call(request);
}

// A fault that a page would like to arm.
CallRequest Arm(Headers headers) {
  return {"POST", "/emulator/faults", std::move(headers), R"({"service":"vault","fault":{"status":500}})"};
}

std::string PortOf(std::string const& authority) { return authority.substr(authority.rfind(':')); }

TEST(ControlGuard, TakesItsOwnNamesOnly) {
  EmulatorProcess emulator;
  auto const port = PortOf(emulator.Authority("control"));
  for (auto const& host : {"127.0.0.1" + port, "localhost" + port, "LOCALHOST" + port, "[::1]" + port}) {
    EXPECT_EQ(CallControl(emulator, Arm({{"Host", host}})).Status, 200U) << host;
  }
  for (auto const& host :
       {std::string("127.0.0.1"), std::string("localhost:1"), "evil.example" + port, "127.0.0.1.evil.example" + port,
        "localhost.evil.example" + port, "169.254.169.254" + port, "127.0.0.1" + port + ".evil.example",
        "evil@127.0.0.1" + port, std::string()}) {
    auto const answer = CallControl(emulator, Arm({{"Host", host}}));
    EXPECT_EQ(answer.Status, 403U) << host;
  }
  EXPECT_EQ(emulator.Control("GET", "/emulator/faults").size(), 4U);
}

TEST(ControlGuard, TakesOneHostOnly) {
  EmulatorProcess emulator;
  auto const own = emulator.Authority("control");
  auto const two = CallControl(emulator, Arm({{"Host", own}, {"Host", "evil.example"}}));
  EXPECT_TRUE(two.Status == 403U || two.Status == 400U) << two.Status;
  TestConnection none(own);
  none.Send("GET /emulator/startup HTTP/1.0\r\n\r\n");
  EXPECT_EQ(none.Receive().Status, 403U);
}

TEST(ControlGuard, TakesNoCallOfAnotherOrigin) {
  EmulatorProcess emulator;
  auto const own = "http://" + emulator.Authority("control");
  EXPECT_EQ(CallControl(emulator, Arm({{"Origin", own}, {"Sec-Fetch-Site", "same-origin"}})).Status, 200U);
  EXPECT_EQ(CallControl(emulator, Arm({{"Sec-Fetch-Site", "none"}})).Status, 200U);
  for (auto const& origin :
       {std::string("https://evil.example"), std::string("null"), std::string("http://127.0.0.1"),
        std::string("http://localhost:1"), "https://" + emulator.Authority("control"), own + ".evil.example",
        own + " http://evil.example", std::string()}) {
    EXPECT_EQ(CallControl(emulator, Arm({{"Origin", origin}})).Status, 403U) << origin;
  }
  for (char const* const site : {"cross-site", "same-site", "else"}) {
    EXPECT_EQ(CallControl(emulator, Arm({{"Sec-Fetch-Site", site}})).Status, 403U) << site;
  }
  EXPECT_EQ(emulator.Control("GET", "/emulator/faults").size(), 2U);
}

// A page on another port of this machine is another origin too, though the host's name is ours.
TEST(ControlGuard, TakesNoCallOfAnotherPort) {
  EmulatorProcess emulator;
  EXPECT_EQ(
      CallControl(emulator, Arm({{"Origin", "http://localhost:8080"}, {"Sec-Fetch-Site", "same-site"}})).Status, 403U);
}

TEST(ControlGuard, IsBeforeEveryCall) {
  EmulatorProcess emulator({"--record-secrets"});
  for (char const* const name :
       {"log", "statistics", "faults", "release", "held", "apps", "claims-challenge", "close-connections", "clock",
        "wire-secrets", "startup", "road", "no-such-call"}) {
    for (char const* const method : {"GET", "POST", "DELETE", "OPTIONS"}) {
      auto const answer =
          CallControl(emulator, {method, "/emulator/" + std::string(name), {{"Origin", "https://evil.example"}}, {}});
      EXPECT_EQ(answer.Status, 403U) << method << " " << name;
      EXPECT_EQ(answer.Header("Access-Control-Allow-Origin"), "");
    }
  }
}

TEST(ControlGuard, LetsAPageElsewhereOpenThePageAndNothingElse) {
  EmulatorProcess emulator;
  Headers const link = {
      {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Mode", "navigate"}, {"Sec-Fetch-Dest", "document"}};
  EXPECT_EQ(CallControl(emulator, {"GET", "/", link, {}}).Status, 200U);
  EXPECT_EQ(CallControl(emulator, {"GET", "/emulator/startup", link, {}}).Status, 403U);
  EXPECT_EQ(CallControl(emulator, {"POST", "/emulator/release", link, {}}).Status, 403U);
  Headers const frame = {
      {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Mode", "navigate"}, {"Sec-Fetch-Dest", "iframe"}};
  EXPECT_EQ(CallControl(emulator, {"GET", "/", frame, {}}).Status, 403U);
  EXPECT_EQ(CallControl(emulator, {"GET", "/", {{"Host", "evil.example"}}, {}}).Status, 403U);
}

TEST(ControlGuard, LeavesTheMetadataServiceAsItIs) {
  EmulatorProcess emulator;
  EmulatedApp const app(emulator);
  auto const answer = CallControl(
      emulator, {"GET",
                 "/metadata/identity/getplatformmetadata" + app.Query(),
                 {{"Metadata", "true"}, {"Host", "169.254.169.254"}},
                 {}});
  EXPECT_EQ(answer.Status, 200U);
}

// The text between the only <tag> and </tag>.
std::string ElementOf(std::string const& page, std::string const& tag) {
  auto const open = "<" + tag + ">";
  auto const start = page.find(open);
  EXPECT_EQ(page.find("<" + tag, start + 1), std::string::npos) << tag << " more than once";
  auto const end = page.find("</" + tag + ">");
  return page.substr(start + open.size(), end - start - open.size());
}

std::string CspHash(std::string const& text) {
  unsigned char digest[32];
  EVP_Digest(text.data(), text.size(), digest, nullptr, EVP_sha256(), nullptr);
  unsigned char base64[64];
  EVP_EncodeBlock(base64, digest, sizeof digest);
  return "'sha256-" + std::string(reinterpret_cast<char*>(base64)) + "'";
}

TEST(Page, IsOneFileUnderAStrictPolicy) {
  EmulatorProcess emulator;
  auto const answer = CallControl(emulator, {"GET", "/", {}, {}});
  ASSERT_EQ(answer.Status, 200U);
  EXPECT_EQ(answer.Header("Content-Type"), "text/html; charset=utf-8");
  auto const policy = answer.Header("Content-Security-Policy");
  EXPECT_EQ(
      policy, "default-src 'none'; script-src " + CspHash(ElementOf(answer.Body, "script")) + "; style-src " +
                  CspHash(ElementOf(answer.Body, "style")) +
                  "; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
                  "require-trusted-types-for 'script'; trusted-types 'none'");
  EXPECT_EQ(answer.Header("X-Content-Type-Options"), "nosniff");
  EXPECT_EQ(answer.Header("Cross-Origin-Resource-Policy"), "same-origin");
  EXPECT_EQ(answer.Header("Cross-Origin-Opener-Policy"), "same-origin");
  EXPECT_EQ(answer.Header("Referrer-Policy"), "no-referrer");
  EXPECT_EQ(answer.Header("Cache-Control"), "no-store");
}

TEST(Page, NamesNothingElsewhereAndMakesNoMarkupOfTexts) {
  EmulatorProcess emulator;
  auto const page = CallControl(emulator, {"GET", "/", {}, {}}).Body;
  for (char const* const forbidden :
       {"http:", "https:", "src=", "@import", "url(", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write",
        "eval(", "new Function", " on", "createContextualFragment", "srcdoc"}) {
    auto const at = page.find(forbidden);
    if (std::string(forbidden) == " on") {
      EXPECT_EQ(page.find(" onclick="), std::string::npos);
      EXPECT_EQ(page.find(" onload="), std::string::npos);
      continue;
    }
    EXPECT_EQ(at, std::string::npos) << forbidden << ": " << page.substr(at, 60);
  }
}

TEST(Page, LeavesNoTraceAndTakesNoFault) {
  EmulatorProcess emulator;
  emulator.ArmFault({{"path", "/"}, {"count", -1}, {"fault", {{"status", 500}}}});
  EXPECT_EQ(CallControl(emulator, {"GET", "/", {}, {}}).Status, 200U);
  EXPECT_EQ(CallControl(emulator, {"POST", "/", {}, {}}).Status, 405U);
  EXPECT_TRUE(emulator.Control("GET", "/emulator/log").empty());
}

TEST(Road, TellsWhoseCertificateAndWhoseRequest) {
  EmulatorProcess emulator;
  EmulatedApp app(emulator);
  EmulatedApp other(emulator, "user-1");
  auto const mine = X5tS256Of(app.Bind().Certificate.get());
  auto const theirs = X5tS256Of(other.Bind().Certificate.get());
  auto const token = app.Token();
  TestConnection vault(emulator.Authority("vault"), app.Tls(&other.Binding()));
  EXPECT_EQ(vault.Call(BoundCall("GET", "/secrets/boundsecret?api-version=7.4", token)).Status, 401U);

  auto const road = emulator.Control("GET", "/emulator/road");
  ASSERT_EQ(road.at("certificates").size(), 2U);
  EXPECT_EQ(road.at("certificates")[0].at("x5t_s256"), mine);
  EXPECT_EQ(road.at("certificates")[0].at("client_id"), app.ClientId());
  EXPECT_GT(road.at("certificates")[0].at("not_after").get<std::int64_t>(), road.at("now").get<std::int64_t>());
  EXPECT_EQ(road.at("certificates")[1].at("x5t_s256"), theirs);

  auto const& log = road.at("log");
  ASSERT_EQ(log.size(), 6U);
  EXPECT_EQ(log[1].at("client_id"), app.ClientId());
  EXPECT_EQ(log[1].at("issued_x5t_s256"), mine);
  EXPECT_EQ(log[4].at("service"), "sts");
  EXPECT_EQ(log[4].at("client_id"), app.ClientId());
  EXPECT_EQ(log[4].at("fault"), false);
  EXPECT_EQ(log[5].at("client_id"), app.ClientId()) << "the token's, whosever the certificate is";
  EXPECT_EQ(log[5].at("mismatch"), true);
  EXPECT_EQ(road.at("last"), 6);
  EXPECT_EQ(emulator.Control("GET", "/emulator/road?since=4").at("log").size(), 2U);
  EXPECT_EQ(emulator.Control("GET", "/emulator/road?since=6").at("log").size(), 0U);

  std::vector<std::uint32_t> const open = road.at("open_connections");
  EXPECT_NE(std::find(open.begin(), open.end(), log[5].at("connection").get<std::uint32_t>()), open.end());
  EXPECT_EQ(std::find(open.begin(), open.end(), log[4].at("connection").get<std::uint32_t>()), open.end());
}

TEST(Road, TellsOfFaultsAndWhichCallTheyHit) {
  EmulatorProcess emulator;
  EmulatedApp app(emulator);
  emulator.ArmFault({{"service", "imds"}, {"count", 2}, {"fault", {{"status", 503}, {"headers", {{"a", "b"}}}}}});
  auto const armed = emulator.Control("GET", "/emulator/road").at("faults");
  ASSERT_EQ(armed.size(), 1U);
  EXPECT_EQ(armed[0].at("count"), 2);
  EXPECT_EQ(armed[0].at("fault"), (json{{"status", 503}, {"headers", {{"a", "b"}}}}));
  app.Metadata();
  auto const road = emulator.Control("GET", "/emulator/road");
  EXPECT_EQ(road.at("log")[0].at("fault"), true);
  EXPECT_EQ(road.at("log")[0].at("status"), 503);
  EXPECT_EQ(road.at("faults")[0].at("count"), 1);
}

TEST(Road, TellsOfAppsAndTheirCertificates) {
  EmulatorProcess emulator;
  auto const app = MakeSelfSigned("app");
  emulator.Control(
      "POST", "/emulator/apps",
      {{"client_id", "an-app"}, {"tenant_id", "t"}, {"certificate_pem", ToPem(app.Certificate.get())}});
  auto const apps = emulator.Control("GET", "/emulator/road").at("apps");
  ASSERT_EQ(apps.size(), 1U);
  EXPECT_EQ(apps[0].at("client_id"), "an-app");
  EXPECT_EQ(apps[0].at("certificates"), json{X5tS256Of(app.Certificate.get())});
}

TEST(Road, IsBoundedAndSaysWhatIsGone) {
  EmulatorProcess emulator({"--log-limit", "700"});
  EmulatedApp app(emulator);
  TestConnection imds(emulator.Authority("imds"));
  for (int i = 0; i < 600; ++i) {
    imds.Call({"GET", "/metadata/nothing", {{"Metadata", "true"}}, {}});
  }
  auto road = emulator.Control("GET", "/emulator/road");
  EXPECT_EQ(road.at("log").size(), 500U);
  EXPECT_EQ(road.at("log")[0].at("n"), 101) << "the newest of them";
  EXPECT_EQ(road.at("first"), 1);
  emulator.Control("DELETE", "/emulator/log");
  road = emulator.Control("GET", "/emulator/road");
  EXPECT_EQ(road.at("log").size(), 0U);
  EXPECT_EQ(road.at("first"), 601);
}

}  // namespace
}  // namespace emulator_test
