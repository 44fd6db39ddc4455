// Start, end, log and counters.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <deque>
#include <fstream>

#include "emulated_app.hpp"

namespace emulator_test {
namespace {

using nlohmann::json;

bool Exists(std::string const& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0;
}

TEST(Program, ListensOnLoopbackOnly) {
  EXPECT_EQ(RunEmulator({"--bind", "0.0.0.0"}), 2);
  EXPECT_EQ(RunEmulator({"--bind", "192.168.1.1"}), 2);
  EXPECT_EQ(RunEmulator({"--bind", "::"}), 2);
}

TEST(Program, RefusesOptionsItDoesNotKnow) {
  EXPECT_EQ(RunEmulator({"--imsd", "v1"}), 2);
  EXPECT_EQ(RunEmulator({"--imds", "v3"}), 2);
  EXPECT_EQ(RunEmulator({"--imds-port"}), 2);
  EXPECT_EQ(RunEmulator({"--token-lifetime", "soon"}), 2);
  EXPECT_EQ(RunEmulator({"--help"}), 0);
}

TEST(Program, EndsWithStdinAndOnSignalsWithConnectionsOpen) {
  for (int const signal : {0, SIGTERM, SIGINT}) {
    EmulatorProcess emulator;
    EmulatedApp const app(emulator);
    std::string const caFile = emulator.Startup().at("ca_file");
    ASSERT_TRUE(Exists(caFile));
    TestConnection const idle(emulator.Authority("vault"), app.Tls(nullptr));
    TestConnection const silent(emulator.Authority("imds"));
    if (signal == 0) {
      emulator.CloseStdin();
    } else {
      emulator.Signal(signal);
    }
    EXPECT_EQ(emulator.Wait(), 0) << signal;
    EXPECT_FALSE(Exists(caFile)) << signal;
  }
}

TEST(Program, StartupLineIsServedToo) {
  EmulatorProcess emulator({"--user-assigned-count", "12"});
  EXPECT_EQ(emulator.Control("GET", "/emulator/startup"), emulator.Startup());
  EXPECT_EQ(emulator.Startup().at("identities").size(), 14U);
}

TEST(Program, IdentitiesAndAppsCanComeFromFiles) {
  auto const folder = testing::TempDir();
  auto const suffix = std::to_string(getpid()) + ".json";
  auto const identities = folder + "identities-" + suffix;
  auto const apps = folder + "apps-" + suffix;
  std::ofstream(identities) << R"([{"name":"only","type":"SystemAssigned","client_id":"c","object_id":"o",
                                    "tenant_id":"t","vault_access":false}])";
  std::ofstream(apps) << json::array({{{"client_id", "a"}, {"tenant_id", "t"}, {"federated", true}}});
  {
    EmulatorProcess emulator({"--identities", identities, "--app", apps});
    EmulatedApp app(emulator, "only");
    EXPECT_EQ(json::parse(app.Metadata().Body).at("clientId"), "c");
    EXPECT_EQ(emulator.Startup().at("identities").size(), 1U);
  }
  EXPECT_EQ(RunEmulator({"--identities", "/nowhere"}), 1);
  std::remove(identities.c_str());
  std::remove(apps.c_str());
}

TEST(Log, TellsWhatHappenedInOrder) {
  EmulatorProcess emulator;
  EmulatedApp app(emulator);
  app.Bind();
  app.Token();
  auto const log = emulator.Control("GET", "/emulator/log");
  ASSERT_EQ(log.size(), 3U);
  EXPECT_EQ(log[0].at("service"), "imds");
  EXPECT_EQ(log[0].at("query"), "cred-api-version=2.0");
  EXPECT_TRUE(log[0].at("x5t_s256").is_null());
  EXPECT_EQ(log[1].at("method"), "POST");
  EXPECT_EQ(log[2].at("service"), "sts");
  EXPECT_EQ(log[2].at("x5t_s256"), X5tS256Of(app.Binding().Certificate.get()));
  EXPECT_EQ(log[2].at("tls_version"), "TLSv1.2");
  EXPECT_EQ(emulator.Control("GET", "/emulator/log?since=2").size(), 1U);
  emulator.Control("DELETE", "/emulator/log");
  EXPECT_TRUE(emulator.Control("GET", "/emulator/log").empty());
  app.Metadata();
  EXPECT_EQ(emulator.Control("GET", "/emulator/log").at(0).at("n"), 4);
}

TEST(Log, IsBounded) {
  EmulatorProcess emulator({"--log-limit", "3"});
  EmulatedApp app(emulator);
  for (int i = 0; i < 5; ++i) {
    app.Metadata();
  }
  auto const log = emulator.Control("GET", "/emulator/log");
  ASSERT_EQ(log.size(), 3U);
  EXPECT_EQ(log[0].at("n"), 3);
}

TEST(Log, HoldsNoSecret) {
  EmulatorProcess emulator({"--record-secrets"});
  EmulatedApp app(emulator);
  auto const& binding = app.Bind();
  TestConnection vault(emulator.Authority("vault"), app.Tls(&binding));
  vault.Call(BoundCall("GET", "/secrets/boundsecret?api-version=7.4", app.Token()));
  auto const log = emulator.Control("GET", "/emulator/log").dump();
  auto const statistics = emulator.Control("GET", "/emulator/statistics").dump();
  auto const secrets = emulator.Control("GET", "/emulator/wire-secrets");
  EXPECT_EQ(secrets.size(), 2U);
  for (auto const& secret : secrets) {
    auto const value = secret.at("value").get<std::string>();
    EXPECT_EQ((log + statistics).find(value.substr(value.size() / 2)), std::string::npos) << secret.at("kind");
  }
}

TEST(Log, SecretsAreKeptOnRequestOnly) {
  EmulatorProcess emulator;
  TestConnection connection(emulator.Authority("control"));
  EXPECT_EQ(connection.Call({"GET", "/emulator/wire-secrets", {}, {}}).Status, 404U);
}

TEST(Statistics, CountWhatWasIssued) {
  EmulatorProcess emulator;
  EmulatedApp app(emulator);
  app.Bind();
  app.Token();
  app.Token();
  auto const statistics = emulator.Control("GET", "/emulator/statistics");
  EXPECT_EQ(statistics.at("credentials_issued"), 1);
  EXPECT_EQ(statistics.at("credentials_by_client").at(app.ClientId()), 1);
  EXPECT_EQ(statistics.at("tokens_issued"), 2);
  EXPECT_EQ(statistics.at("connections").at("sts"), 2);
  EXPECT_EQ(statistics.at("handshakes").at("sts").at("full"), 2);
  bool found = false;
  for (auto const& request : statistics.at("requests")) {
    if (request.at("path") == app.TokenTarget()) {
      found = true;
      EXPECT_EQ(request.at("status"), 200);
      EXPECT_EQ(request.at("count"), 2);
      EXPECT_GT(request.at("busy_us").get<int>(), 0);
    }
  }
  EXPECT_TRUE(found);
}

TEST(Connections, CanBeClosedFromOutside) {
  EmulatorProcess emulator;
  EmulatedApp app(emulator);
  TestConnection connection(emulator.Authority("vault"), app.Tls(nullptr));
  EXPECT_EQ(connection.Call({"GET", "/secrets", {}, {}}).Status, 401U);
  EXPECT_EQ(emulator.Control("POST", "/emulator/close-connections", {{"service", "vault"}}).at("closed"), 1);
  EXPECT_EQ(connection.Call({"GET", "/secrets", {}, {}}).Status, 0U);
}

TEST(Connections, AThousandAtOnce) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  EmulatorProcess emulator;
  EmulatedApp const app(emulator);
  std::deque<TestConnection> connections;
  for (int i = 0; i < 1000; ++i) {
    connections.emplace_back(emulator.Authority("imds"));
  }
  for (auto& connection : connections) {
    EXPECT_EQ(
        connection.Call({"GET", "/metadata/identity/getplatformmetadata" + app.Query(), {{"Metadata", "true"}}, {}})
            .Status,
        200U);
  }
  EXPECT_GE(emulator.Control("GET", "/emulator/statistics").at("open_connections").at("imds"), 1000);
}

TEST(Connections, BeyondTheLimitWaitForRoom) {
  EmulatorProcess emulator({"--max-connections", "2"});
  CallRequest const request{"GET", "/emulator/startup", {}, {}};
  TestConnection first(emulator.Authority("imds"));
  EXPECT_EQ(first.Call(request).Status, 200U);
  {
    TestConnection second(emulator.Authority("imds"));
    EXPECT_EQ(second.Call(request).Status, 200U);
  }
  TestConnection third(emulator.Authority("imds"));
  EXPECT_EQ(third.Call(request).Status, 200U);
}

TEST(Connections, MalformedAndOversizedRequestsAreRefused) {
  EmulatorProcess emulator({"--body-limit", "1000"});
  {
    TestConnection connection(emulator.Authority("imds"));
    connection.Send("this is no HTTP\r\n\r\n");
    EXPECT_EQ(connection.Receive().Status, 400U);
  }
  TestConnection connection(emulator.Authority("imds"));
  connection.Send("POST /emulator/faults HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n");
  EXPECT_EQ(connection.Receive().Status, 413U);
}

}  // namespace
}  // namespace emulator_test
