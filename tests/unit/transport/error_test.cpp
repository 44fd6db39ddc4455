#include "mtlspop/transport/error.hpp"

#include <gmock/gmock.h>

#include <stdexcept>
#include <string>
#include <vector>

namespace mtlspop {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

ErrorDetails SomeDetails() {
  return ErrorDetails{errors::ConnectFailed, "No connection to a.example could be made", "Check the network"};
}

TEST(ErrorCodeTest, IsEqualWhenTheNamesAre) {
  std::string const name = "connect_failed";
  EXPECT_EQ(ErrorCode{name}, errors::ConnectFailed);
  EXPECT_NE(errors::ConnectFailed, errors::ConnectionLost);
  EXPECT_EQ(errors::ConnectFailed.Name(), "connect_failed");
}

/// The names are what alerts and programs match: a change breaks somebody.
TEST(ErrorCodeTest, NamesNeverChange) {
  std::vector<std::pair<ErrorCode, std::string>> const names{
      {errors::Cancelled, "cancelled"},
      {errors::DeadlineExceeded, "deadline_exceeded"},
      {errors::InvalidArgument, "invalid_argument"},
      {errors::BindingRequiresHttps, "binding_requires_https"},
      {errors::NameResolutionFailed, "name_resolution_failed"},
      {errors::ConnectFailed, "connect_failed"},
      {errors::ProxyFailed, "proxy_failed"},
      {errors::ProxyAuthenticationRequired, "proxy_authentication_required"},
      {errors::TlsHandshakeFailed, "tls_handshake_failed"},
      {errors::ServerCertificateRejected, "server_certificate_rejected"},
      {errors::BindingCertificateRejected, "binding_certificate_rejected"},
      {errors::PrivateKeyUnusable, "private_key_unusable"},
      {errors::RenegotiationLimitExceeded, "renegotiation_limit_exceeded"},
      {errors::ConnectionLost, "connection_lost"},
      {errors::ConnectionLostDuringBinding, "connection_lost_during_binding"},
      {errors::MalformedResponse, "malformed_response"},
      {errors::HeaderBytesLimitExceeded, "header_bytes_limit_exceeded"},
      {errors::HeaderCountLimitExceeded, "header_count_limit_exceeded"},
      {errors::LineBytesLimitExceeded, "line_bytes_limit_exceeded"},
      {errors::ChunkExtensionLimitExceeded, "chunk_extension_limit_exceeded"},
      {errors::BufferedBodyLimitExceeded, "buffered_body_limit_exceeded"},
      {errors::InformationalLimitExceeded, "informational_limit_exceeded"},
      {errors::RequestBodyFailed, "request_body_failed"},
      {errors::TrustStoreUnusable, "trust_store_unusable"},
      {errors::InvalidBindingCertificate, "invalid_binding_certificate"},
      {errors::PoolExhausted, "pool_exhausted"},
      {errors::PoolQueueFull, "pool_queue_full"},
      {errors::SystemFailure, "system_failure"}};
  for (auto const& [code, name] : names) EXPECT_EQ(code.Name(), name);
}

TEST(ErrorTest, SaysWhatFailedAndWhatToDo) {
  Error const error{SomeDetails()};
  EXPECT_THAT(
      error.what(), AllOf(
                        StartsWith("connect_failed: "), HasSubstr("No connection to a.example could be made"),
                        HasSubstr("Check the network")));
  EXPECT_EQ(error.Code(), errors::ConnectFailed);
  EXPECT_EQ(error.Details().HttpStatus, 0);
  EXPECT_FALSE(error.Details().NothingSent);
  EXPECT_FALSE(error.Details().Transient);
}

TEST(ErrorTest, NamesWhatTheOtherSideSaid) {
  auto details = SomeDetails();
  details.HttpStatus = 401;
  details.ServiceErrorCode = "AADSTS392196";
  details.CorrelationId = "5e2b9f0c-7a11-4c2e-9d47-0a7a4d2f6f1b";
  details.Attempts = 4;
  EXPECT_THAT(
      Error{details}.what(), AllOf(
                                 HasSubstr("401"), HasSubstr("AADSTS392196"),
                                 HasSubstr("5e2b9f0c-7a11-4c2e-9d47-0a7a4d2f6f1b"), HasSubstr("4")));
}

TEST(ErrorTest, IsCaughtAsRuntimeError) { EXPECT_THROW(throw Error{SomeDetails()}, std::runtime_error); }

TEST(ErrorTest, DescribesCausesOutermostFirst) {
  std::string text;
  try {
    try {
      try {
        throw std::runtime_error{"innermost"};
      } catch (...) {
        std::throw_with_nested(Error{SomeDetails()});
      }
    } catch (...) {
      std::throw_with_nested(Error{ErrorDetails{errors::SystemFailure, "The outer thing failed", "Look at its cause"}});
    }
  } catch (std::exception const& error) {
    text = DescribeWithCauses(error);
  }
  auto const outer = text.find("The outer thing failed");
  auto const middle = text.find("; caused by: connect_failed");
  auto const inner = text.find("; caused by: innermost");
  EXPECT_LT(outer, middle) << text;
  EXPECT_LT(middle, inner) << text;
  EXPECT_NE(inner, std::string::npos) << text;
}

TEST(ErrorTest, DescribesACauseThatIsNoException) {
  try {
    try {
      throw 1;
    } catch (...) {
      std::throw_with_nested(Error{SomeDetails()});
    }
  } catch (std::exception const& error) {
    EXPECT_THAT(DescribeWithCauses(error), StartsWith("connect_failed"));
  }
}

}  // namespace
}  // namespace mtlspop
