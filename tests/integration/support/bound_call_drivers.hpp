#pragma once

/// @file
/// The table of `BoundCall` over real sockets, for everything that drives it: this library's adapters, and any other adapter
/// (`find_package(mtlspop COMPONENTS adapter_kit)`). Each row is a test: a resource on loopback answers as the row says, and
/// what arrives there, on which certificate, and what the credential is told have to be what the row says too. A driver's test
/// says how a request is sent:
///
/// @code
/// #include <mtlspop/adapter_kit/bound_call_drivers.hpp>
///
/// namespace mtlspop::test {
/// DriverSend MakeMyDriver(DriverSetup const& setup) {
///   auto const client = std::make_shared<MyClient>(setup.Credential, setup.Transport, setup.Options, setup.Time);
///   return [client](std::string const& method, std::string const& url, TableBody body) {
///     return client->StatusOrErrorCode(method, url, body == TableBody::None ? "" : DrivenBody);
///   };
/// }
/// DriverNeeds const needs{false, true, false, true};  // it learns no scopes, and its bodies rewind
/// INSTANTIATE_TEST_SUITE_P(
///     MyFramework, BoundCallDriver, testing::ValuesIn(DrivenRows({needs, &MakeMyDriver})), &NameOfDrivenRow);
/// }  // namespace mtlspop::test
/// @endcode
///
/// samples/third_framework/adapter_test.cpp is one.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "bound_call_credential.hpp"
#include "bound_call_resource.hpp"
#include "bound_call_table.hpp"
#include "manual_clock.hpp"
#include "mtlspop/transport/http_transport.hpp"
#include "mtlspop/transport/openssl.hpp"
#include "mtlspop/transport/signer.hpp"
#include "software_signer.hpp"
#include "test_certificate_authority.hpp"

namespace mtlspop::test {

/// What a driver is made with.
struct DriverSetup {
  /// Gives the tokens that the row names, and keeps what it is told.
  std::shared_ptr<TokenCredential> Credential;
  /// Trusts the resource. What is sent through another one does not arrive.
  std::shared_ptr<HttpTransport> Transport;
  /// Waits without waiting.
  std::shared_ptr<Clock> Time;
  /// The row's, as `BoundPipelineOptions` and `BoundCallSettings` take them.
  BoundCallOptions Options;
};

/// Sends this request, with a body of `DrivenBody` where there is one. Returns the status, as a text, or the name of the
/// code of the error.
using DriverSend = std::function<std::string(std::string const& method, std::string const& url, TableBody body)>;

inline constexpr char const* DrivenBody = "the body of the request";

struct DriverKind {
  /// The needs of rows that it meets.
  DriverNeeds Meets;
  std::function<DriverSend(DriverSetup const& setup)> Make;
};

struct DrivenRow {
  DriverKind Driver;
  BoundCallRow Row;
};

inline std::ostream& operator<<(std::ostream& stream, DrivenRow const& row) { return stream << row.Row; }

/// The rows that make sense with `driver`.
inline std::vector<DrivenRow> DrivenRows(DriverKind const& driver) {
  std::vector<DrivenRow> rows;
  for (auto const& row : AllBoundCallRows()) {
    auto const meets = (driver.Meets.Learning || !row.Needs.Learning) && (driver.Meets.Retry || !row.Needs.Retry) &&
                       (driver.Meets.OnceBody || !row.Needs.OnceBody) && (driver.Meets.Binding || !row.Needs.Binding);
    if (meets) rows.push_back({driver, row});
  }
  return rows;
}

inline std::string NameOfDrivenRow(testing::TestParamInfo<DrivenRow> const& row) { return row.param.Row.Name; }

class BoundCallDriver : public testing::TestWithParam<DrivenRow> {
 protected:
  BoundCallDriver() {
    setup_.Credential = credential_;
    setup_.Transport = MakeTransport(authority_);
    setup_.Time = clock_;
    setup_.Options = GetParam().Row.Options;
    setup_.Options.Retry.Random = [] { return 0.5; };
    setup_.Options.Memory.Random = [] { return 0.5; };
    send_ = GetParam().Driver.Make(setup_);
  }

  static std::shared_ptr<HttpTransport> MakeTransport(TestCertificateAuthority const& authority) {
    TransportOptions options;
    options.Tls.Trust.CaPem = authority.CertificatePem();
    options.Proxy.UseEnvironment = false;
    return MakeHttpTransport(std::move(options));
  }

  std::shared_ptr<BindingCertificate const> MakeBinding(int number) {
    auto const issued = authority_.IssueForClient("binding " + std::to_string(number));
    auto binding = KeyFails(number) ? WithFailingKey(issued) : ToBinding(issued);
    bindings_.push_back(binding->X5tS256());
    return binding;
  }

  /// Whether the row has a call in which a request with a token of that binding is not sent for want of a signature.
  static bool KeyFails(int number) {
    auto const prefix = "b" + std::to_string(number) + ".";
    for (auto const& call : GetParam().Row.Calls) {
      auto const tokens = TokensSentBy(call.Decisions);
      for (std::size_t i = 0; i < std::min(tokens.size(), call.Script.size()); ++i) {
        bool const isOfIt = tokens[i].compare(0, prefix.size(), prefix) == 0;
        if (isOfIt && call.Script[i].What == Came::Kind::KeyUnusable) return true;
      }
    }
    return false;
  }

  /// As a device that has gone does it.
  static std::shared_ptr<BindingCertificate const> WithFailingKey(IssuedCertificate const& issued) {
    auto const signer = std::make_shared<SoftwareSigner>(
        issued.Key, std::vector<openssl::SignatureAlgorithm>{openssl::SignatureAlgorithm::Ecdsa});
    auto const key = openssl::MakeSignerKey(gsl::make_not_null(std::shared_ptr<openssl::Signer const>{signer}));
    // Making it has tried it.
    signer->BeforeEach = [](auto const&, auto const&) { throw std::runtime_error("the device has gone"); };
    return openssl::MakeBindingCertificate(
        ToBinding(issued)->Chain(), openssl::WrapPrivateKey(key.get().get()).get(), KeyStrength::Hardware);
  }

  /// The tokens of the requests that arrive: all that are sent, but for those whose handshake fails.
  static std::vector<std::string> TokensArriving(TableCall const& call, std::string const& decisions) {
    auto tokens = TokensSentBy(decisions);
    for (std::size_t i = std::min(tokens.size(), call.Script.size()); i-- > 0;) {
      auto const what = call.Script[i].What;
      if (what != Came::Kind::CertificateRefused && what != Came::Kind::KeyUnusable) continue;
      tokens.erase(tokens.begin() + static_cast<std::ptrdiff_t>(i));
    }
    return tokens;
  }

  /// The name of the token that `arrived` carries, after checking that everything else fits it.
  std::string TokenOf(TableResource::Arrived const& arrived, TableCall const& call) const {
    auto const& [request, x5tS256] = arrived;
    auto const field = request.Get("Authorization");
    if (field.empty()) {
      EXPECT_EQ(x5tS256, "");
      return request.Method == call.Method && call.Body == TableBody::None ? "nothing" : "question";
    }
    EXPECT_EQ(request.Method, call.Method);
    EXPECT_EQ(request.Body, call.Body == TableBody::None ? "" : DrivenBody);
    EXPECT_EQ(request.Count("Authorization"), 1U);
    AccessToken token;
    token.Token = Secret{field.substr(field.find(' ') + 1)};
    auto name = TableCredential::NameOf(token);
    auto const kind = name.substr(name.find('/') + 1);
    auto const isBound = kind.find("bearer") == std::string::npos;
    auto const number = kind[1] - '1';
    EXPECT_EQ(field.rfind(isBound ? "mtls_pop " : "Bearer ", 0), 0U) << field;
    EXPECT_EQ(request.Get("x-ms-tokenboundauth"), isBound ? "true" : "");
    EXPECT_EQ(x5tS256, isBound ? bindings_.at(static_cast<std::size_t>(number)) : "");
    return name;
  }

  std::vector<std::string> TakeTokens(TableCall const& call) {
    std::vector<std::string> tokens;
    for (auto const& arrived : resource_.TakeRequests()) tokens.push_back(TokenOf(arrived, call));
    return tokens;
  }

  TestCertificateAuthority authority_;
  TableResource resource_{authority_.IssueForLoopback()};
  std::vector<std::string> bindings_;
  std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>();
  std::shared_ptr<TableCredential> credential_ = std::make_shared<TableCredential>(
      GetParam().Row.Credential, clock_, [this](int number) { return MakeBinding(number); });
  DriverSetup setup_;
  DriverSend send_;
};

TEST_P(BoundCallDriver, Follows) {
  for (auto const& call : GetParam().Row.Calls) {
    clock_->Advance(call.After);
    resource_.Play(call.Script);
    auto const connections = resource_.Connections();
    EXPECT_EQ(
        send_(call.Method, resource_.Url("/a"), call.Body),
        call.Error.empty() ? std::to_string(call.Status) : call.Error);
    EXPECT_TRUE(resource_.HasPlayedAll());
    EXPECT_THAT(TakeTokens(call), testing::ElementsAreArray(TokensArriving(call, call.Decisions))) << call.Decisions;
    EXPECT_THAT(credential_->TakeRefusals(), testing::ElementsAreArray(call.Refusals));
    EXPECT_EQ(credential_->TakeFetched(), call.Fetched);
    if (call.Connections >= 0) {
      EXPECT_EQ(resource_.Connections() - connections, static_cast<std::size_t>(call.Connections));
    }
  }
}

}  // namespace mtlspop::test
