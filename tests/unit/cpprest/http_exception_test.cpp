// Before cpprestsdk, whose macro U is a name that GoogleTest uses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <string>
#include <system_error>
#include <vector>

#include "mtlspop/cpprest/http_exception.hpp"

namespace mtlspop::cpprest {
namespace {

// What does not stand here is about tokens or keys, or refused for the sake of them.
std::map<std::string, std::errc> const& Conditions() {
  static std::map<std::string, std::errc> const conditions{
      {"cancelled", std::errc::operation_canceled},
      {"deadline_exceeded", std::errc::timed_out},
      {"invalid_argument", std::errc::invalid_argument},
      {"name_resolution_failed", std::errc::host_unreachable},
      {"connect_failed", std::errc::host_unreachable},
      {"proxy_failed", std::errc::host_unreachable},
      {"proxy_authentication_required", std::errc::host_unreachable},
      {"tls_handshake_failed", std::errc::protocol_error},
      {"server_certificate_rejected", std::errc::protocol_error},
      {"binding_certificate_rejected", std::errc::protocol_error},
      {"renegotiation_limit_exceeded", std::errc::protocol_error},
      {"connection_lost", std::errc::connection_aborted},
      {"connection_lost_during_binding", std::errc::connection_aborted},
      {"malformed_response", std::errc::bad_message},
      {"header_bytes_limit_exceeded", std::errc::bad_message},
      {"header_count_limit_exceeded", std::errc::bad_message},
      {"line_bytes_limit_exceeded", std::errc::bad_message},
      {"chunk_extension_limit_exceeded", std::errc::bad_message},
      {"buffered_body_limit_exceeded", std::errc::bad_message},
      {"informational_limit_exceeded", std::errc::bad_message},
      {"request_body_failed", std::errc::io_error},
      {"trust_store_unusable", std::errc::io_error},
      {"pool_exhausted", std::errc::resource_unavailable_try_again},
      {"pool_queue_full", std::errc::resource_unavailable_try_again},
      {"system_failure", std::errc::io_error}};
  return conditions;
}

char const* const AboutTokensOrKeys[] = {
    "binding_requires_https", "authorization_requires_https", "bound_token_without_binding", "private_key_unusable",
    "invalid_binding_certificate"};

std::vector<std::string> CodesIn(std::string const& header) {
  std::ifstream file{MTLSPOP_SOURCE_DIR "/" + header};
  std::stringstream text;
  text << file.rdbuf();
  auto const source = text.str();
  std::vector<std::string> found;
  // As they are declared: inline constexpr ErrorCode Name{"name"};
  for (auto at = source.find("constexpr ErrorCode "); at != std::string::npos;
       at = source.find("constexpr ErrorCode ", at)) {
    auto const begin = source.find('"', at) + 1;
    at = source.find('"', begin);
    found.push_back(source.substr(begin, at - begin));
  }
  return found;
}

std::errc ConditionOf(std::string const& name) {
  auto const code = HttpException{Error{{ErrorCode{name}, "what failed", "what to do"}}}.error_code();
  return static_cast<std::errc>(code.default_error_condition().value());
}

// A code of the transport's that is added later has to be given a condition on purpose.
TEST(HttpException, HasAConditionForEachCodeOfTheTransport) {
  auto const codes = CodesIn("transport/include/mtlspop/transport/error.hpp");
  EXPECT_EQ(codes.size(), Conditions().size() + std::size(AboutTokensOrKeys));
  for (auto const& code : codes) {
    auto const expected = Conditions().find(code);
    if (expected == Conditions().end()) {
      EXPECT_THAT(AboutTokensOrKeys, testing::Contains(testing::StrEq(code)));
      EXPECT_EQ(ConditionOf(code), std::errc::permission_denied) << code;
    } else {
      EXPECT_EQ(ConditionOf(code), expected->second) << code;
    }
  }
}

TEST(HttpException, SaysPermissionDeniedForWhatIsAboutTokens) {
  for (auto const* const header :
       {"credential/include/mtlspop/credential/errors.hpp", "policies/include/mtlspop/policies/errors.hpp"}) {
    auto const codes = CodesIn(header);
    EXPECT_FALSE(codes.empty()) << header;
    for (auto const& code : codes) EXPECT_EQ(ConditionOf(code), std::errc::permission_denied) << code;
  }
}

}  // namespace
}  // namespace mtlspop::cpprest
