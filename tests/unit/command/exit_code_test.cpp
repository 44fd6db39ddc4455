#include "exit_code.hpp"

#include <gtest/gtest.h>

#include "errors.hpp"
#include "hints.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/policies/errors.hpp"

namespace mtlspop::command {
namespace {

int StatusOf(ErrorCode code) { return static_cast<int>(ExitCodeOf(Error{ErrorDetails{code, "What", "Action"}})); }

TEST(ExitCode, IsCurlsWhereCurlHasOne) {
  EXPECT_EQ(StatusOf(errors::Usage), 2);
  EXPECT_EQ(StatusOf(errors::UrlMalformed), 3);
  EXPECT_EQ(StatusOf(errors::NameResolutionFailed), 6);
  EXPECT_EQ(StatusOf(errors::ConnectFailed), 7);
  EXPECT_EQ(StatusOf(errors::HttpStatus), 22);
  EXPECT_EQ(StatusOf(errors::WriteFailed), 23);
  EXPECT_EQ(StatusOf(errors::ReadFailed), 26);
  EXPECT_EQ(StatusOf(errors::DeadlineExceeded), 28);
  EXPECT_EQ(StatusOf(errors::TlsHandshakeFailed), 35);
  EXPECT_EQ(StatusOf(errors::ConnectionLost), 56);
  EXPECT_EQ(StatusOf(errors::ClientCertificateUnusable), 58);
  EXPECT_EQ(StatusOf(errors::ServerCertificateRejected), 60);
}

TEST(ExitCode, TellsTheKindsOfThisLibraryApart) {
  EXPECT_EQ(StatusOf(errors::ImdsNotReachable), 101);
  EXPECT_EQ(StatusOf(errors::ImdsRefused), 102);
  EXPECT_EQ(StatusOf(errors::MtlsPopNotSupportedInImdsV1), 103);
  EXPECT_EQ(StatusOf(errors::TokenRequestRefused), 104);
  EXPECT_EQ(StatusOf(errors::ScopesUnknown), 105);
  EXPECT_EQ(StatusOf(errors::TokenRefused), 94);
}

TEST(ExitCode, IsNeverSuccessForAnError) {
  EXPECT_EQ(StatusOf(ErrorCode{"nobody_knows_this_one"}), 1);
  EXPECT_EQ(StatusOf(errors::Cancelled), 1);
}

TEST(Hint, IsThatOfTheInnermostCauseThatHasOne) {
  try {
    try {
      throw Error{ErrorDetails{errors::ServerCertificateRejected, "What", "Action"}};
    } catch (Error const&) {
      std::throw_with_nested(Error{ErrorDetails{errors::ImdsNotReachable, "What", "Action"}});
    }
  } catch (std::exception const& error) {
    EXPECT_NE(HintFor(error).find("--cacert"), std::string_view::npos);
  }
  EXPECT_EQ(HintFor(std::runtime_error{"something"}), "");
}

// The metadata service has ten seconds for an answer, whatever --max-time says.
TEST(Hint, AllowsNoMoreTimeWhereASingleStepHadTooLittle) {
  Error const late{ErrorDetails{errors::DeadlineExceeded, "What", "Action"}};
  EXPECT_NE(HintFor(late).find("--max-time"), std::string_view::npos);
  try {
    try {
      throw late;
    } catch (Error const&) {
      std::throw_with_nested(Error{ErrorDetails{errors::ImdsUnavailable, "What", "Action"}});
    }
  } catch (std::exception const& error) {
    EXPECT_EQ(HintFor(error), "");
  }
}

}  // namespace
}  // namespace mtlspop::command
