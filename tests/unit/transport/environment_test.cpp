#include "mtlspop/transport/environment.hpp"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "support/error_code_of.hpp"
#include "support/scoped_environment.hpp"

namespace mtlspop {
namespace {

using test::ErrorCodeOf;
using test::ScopedEnvironment;

ScopedEnvironment::Variables Nothing() {
  return {
      {"MTLSPOP_CA_FILE", std::nullopt}, {"MTLSPOP_CONNECT_OVERRIDES", std::nullopt}, {"MTLSPOP_LOG", std::nullopt}};
}

TEST(EnvironmentTest, ChangesNothingWhereItSaysNothing) {
  ScopedEnvironment const environment{Nothing()};
  auto const options = TransportOptionsFromEnvironment();
  EXPECT_EQ(options.Tls.Trust.CaFile, "");
  EXPECT_FALSE(options.Tls.Trust.UseSystemStore);
  EXPECT_TRUE(options.ConnectOverrides.empty());
  EXPECT_TRUE(options.Observer.IsDefault());
}

TEST(EnvironmentTest, NamesAnAuthority) {
  ScopedEnvironment const environment{{{"MTLSPOP_CA_FILE", "/some/ca.pem"}}};
  EXPECT_EQ(TransportOptionsFromEnvironment().Tls.Trust.CaFile, "/some/ca.pem");
}

TEST(EnvironmentTest, WhatTheProgramSaysAboutTrustWins) {
  ScopedEnvironment const environment{{{"MTLSPOP_CA_FILE", "/some/ca.pem"}}};
  TransportOptions file;
  file.Tls.Trust.CaFile = "/own/ca.pem";
  EXPECT_EQ(TransportOptionsFromEnvironment(file).Tls.Trust.CaFile, "/own/ca.pem");
  TransportOptions text;
  text.Tls.Trust.CaPem = "pem";
  EXPECT_EQ(TransportOptionsFromEnvironment(text).Tls.Trust.CaFile, "");
  TransportOptions store;
  store.Tls.Trust.UseSystemStore = true;
  EXPECT_EQ(TransportOptionsFromEnvironment(store).Tls.Trust.CaFile, "");
}

TEST(EnvironmentTest, AddsOverridesBehindThoseOfTheProgram) {
  ScopedEnvironment const environment{
      {{"MTLSPOP_CONNECT_OVERRIDES", "vault.example:443=127.0.0.1:8443,*.login.example:443=[::1]:9443"}}};
  TransportOptions options;
  options.ConnectOverrides.push_back({"own.example:443", "127.0.0.1:1"});
  auto const overrides = TransportOptionsFromEnvironment(options).ConnectOverrides;
  ASSERT_EQ(overrides.size(), 3U);
  EXPECT_EQ(overrides[0].From, "own.example:443");
  EXPECT_EQ(overrides[1].From, "vault.example:443");
  EXPECT_EQ(overrides[1].To, "127.0.0.1:8443");
  EXPECT_EQ(overrides[2].From, "*.login.example:443");
  EXPECT_EQ(overrides[2].To, "[::1]:9443");
}

TEST(EnvironmentTest, RefusesOverridesOfAnotherForm) {
  for (auto const* text : {"a", "a=b", "a:1=b", "a=b:1", "a:1", "=", "a:=b:1", ":1=b:1", "a:1=b:1,c"}) {
    ScopedEnvironment const environment{{{"MTLSPOP_CONNECT_OVERRIDES", text}}};
    EXPECT_EQ(ErrorCodeOf([] { TransportOptionsFromEnvironment(); }), "invalid_argument") << text;
  }
}

}  // namespace
}  // namespace mtlspop
