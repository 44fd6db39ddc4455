// What is refused before a byte is sent.

#include <gmock/gmock.h>

#include "transport_test.hpp"

namespace mtlspop::test {
namespace {

using namespace std::string_literals;

struct BadField {
  std::string Name;
  std::string Value;
};

void PrintTo(BadField const& field, std::ostream* out) {
  *out << testing::PrintToString(field.Name + ": " + field.Value);
}

/// A server that nobody may connect to.
class RequestValidationTest : public testing::Test {
 protected:
  void ExpectRefused(Request request, Binding const& binding, std::string const& code) {
    auto const error = ErrorOf([&] { Fetch(transport_, std::move(request), binding); });
    ASSERT_TRUE(error) << "was sent";
    EXPECT_EQ(error->Code().Name(), code);
    EXPECT_TRUE(error->Details().NothingSent);
    EXPECT_FALSE(error->Details().Transient) << "trying again changes nothing";
    EXPECT_FALSE(error->Details().Action.empty());
    EXPECT_EQ(server_.ConnectionCount(), 0U);
    EXPECT_EQ(transport_->PoolStatistics().Opened, 0U);
    EXPECT_EQ(transport_->PoolStatistics().InUse, 0U);
  }

  ScriptedServer server_{ServeEcho};
  Transport transport_ = MakeTransport();
};

class BadFieldTest : public RequestValidationTest, public testing::WithParamInterface<BadField> {};

TEST_P(BadFieldTest, IsRefused) {
  auto request = Get(server_.Url());
  request.Fields.Add(GetParam().Name, GetParam().Value);
  ExpectRefused(std::move(request), nullptr, "invalid_argument");
}

INSTANTIATE_TEST_SUITE_P(
    Injections,
    BadFieldTest,
    testing::Values(
        BadField{"X-A", "b\r\nX-Injected: yes"},
        BadField{"X-A", "b\nX-Injected: yes"},
        BadField{"X-A", "b\rX-Injected: yes"},
        BadField{"X-A", "b\0c"s},
        BadField{"X-A", "b\r\n\r\nGET / HTTP/1.1"},
        BadField{"X-A", "\n"},
        BadField{"X-A\r\nX-Injected", "yes"},
        BadField{"X-A\n", "b"},
        BadField{"X-A\0"s, "b"},
        BadField{"", "b"},
        BadField{"X A", "b"},
        BadField{"X-A:", "b"},
        BadField{" X-A", "b"},
        BadField{"X-\xC3\xA9", "b"},
        BadField{"X(A)", "b"}));

INSTANTIATE_TEST_SUITE_P(
    TransportsOwn,
    BadFieldTest,
    testing::Values(
        BadField{"Content-Length", "5"},
        BadField{"content-length", "5"},
        BadField{"Transfer-Encoding", "chunked"},
        BadField{"TRANSFER-ENCODING", "identity"},
        BadField{"Connection", "close"},
        BadField{"Host", "a.example\r\nX-Injected: yes"}));

TEST_F(RequestValidationTest, RefusesTwoHosts) {
  auto request = Get(server_.Url());
  request.Fields.Add("Host", "a.example");
  request.Fields.Add("Host", "b.example");
  ExpectRefused(std::move(request), nullptr, "invalid_argument");
}

TEST_F(RequestValidationTest, RefusesBadMethods) {
  for (auto const& method :
       {""s, "GE T"s, "GET\r\nX-Injected: yes"s, "GET\0"s, "G\xC3\x89T"s, "GET / HTTP/1.1\r\n\r\n"s, "(GET)"s}) {
    ExpectRefused(Request{method, Url::Parse(server_.Url())}, nullptr, "invalid_argument");
  }
}

/// CONNECT to an origin would open a tunnel that nobody watches.
TEST_F(RequestValidationTest, RefusesConnect) {
  ExpectRefused(Request{"CONNECT", Url::Parse(server_.Url())}, nullptr, "invalid_argument");
}

/// Architecture, rule 2: fail closed.
TEST_F(RequestValidationTest, ABindingNeedsHttps) {
  ExpectRefused(Get(server_.Url()), NewBinding(), "binding_requires_https");
  auto neverProxied = Get(server_.Url());
  neverProxied.NeverProxied = true;
  ExpectRefused(std::move(neverProxied), NewBinding(), "binding_requires_https");
}

TEST_F(RequestValidationTest, AnEndedContextSendsNothing) {
  auto const cancelled = Context{}.WithCancellation();
  cancelled.Cancel();
  EXPECT_EQ(ErrorCodeOf([&] { Fetch(transport_, Get(server_.Url()), nullptr, cancelled); }), "cancelled");
  auto const expired = Context{}.WithTimeout(std::chrono::milliseconds{-1});
  EXPECT_EQ(ErrorCodeOf([&] { Fetch(transport_, Get(server_.Url()), nullptr, expired); }), "deadline_exceeded");
  EXPECT_EQ(server_.ConnectionCount(), 0U);
}

TEST(OptionsTest, WhatCannotBeUsedIsRefused) {
  auto const codeWith = [](auto change) {
    auto options = TrustingOptions();
    change(options);
    return ErrorCodeOf([&] { MakeTransport(options); });
  };
  EXPECT_EQ(codeWith([](TransportOptions&) {}), "no error");
  EXPECT_EQ(codeWith([](auto& options) { options.Pool.MaximumPerOrigin = 0; }), "invalid_argument");
  EXPECT_EQ(codeWith([](auto& options) { options.Pool.MaximumTotal = 0; }), "invalid_argument");
  EXPECT_EQ(codeWith([](auto& options) { options.Proxy.Url = "not a URL"; }), "invalid_argument");
  EXPECT_EQ(codeWith([](auto& options) { options.Proxy.Url = "socks5://127.0.0.1:1080"; }), "invalid_argument");
  EXPECT_EQ(
      codeWith([](auto& options) {
        options.Tls.Origins.push_back({"not an origin", TlsVersion::Tls13});
      }),
      "invalid_argument");
  EXPECT_EQ(
      codeWith([](auto& options) {
        options.Tls.Origins.push_back({"http://a.example", TlsVersion::Tls13});
      }),
      "invalid_argument");
  EXPECT_EQ(
      codeWith([](auto& options) {
        options.ConnectOverrides.push_back({"a.example", "127.0.0.1:1"});
      }),
      "invalid_argument");
  EXPECT_EQ(
      codeWith([](auto& options) {
        options.ConnectOverrides.push_back({"a.example:443", ""});
      }),
      "invalid_argument");
}

}  // namespace
}  // namespace mtlspop::test
