// RFC 8705 section 3.1, and what else comes in a token's place.
#include "mtlspop/credential/verify_binding.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_cloud.hpp"
#include "mtlspop/credential/errors.hpp"
#include "support/error_code_of.hpp"
#include "support/test_certificate_authority.hpp"

namespace mtlspop::test {
namespace {

struct BindingWorld {
  std::string CodeOf(std::string_view token) const {
    return ErrorCodeOf([&] { VerifyBinding(Secret{token}, *Certificate); });
  }
  TestCertificateAuthority Authority;
  std::shared_ptr<BindingCertificate const> Certificate = ToBinding(Authority.IssueForClient("a"));
};

TEST(VerifyBinding, X5tS256IsBase64urlOfSha256OverTheWholeCertificateWithoutPadding) {
  TestCertificateAuthority authority;
  auto const issued = authority.IssueForClient("a");
  auto const certificate = ToBinding(issued);
  EXPECT_EQ(certificate->X5tS256(), issued.X5tS256);
  EXPECT_EQ(certificate->X5tS256().size(), 43U);
  EXPECT_EQ(certificate->X5tS256().find_first_of("+/="), std::string::npos);
  EXPECT_NE(certificate->X5tS256(), ToBinding(authority.IssueForClient("a"))->X5tS256());
}

TEST(VerifyBinding, TakesTheTokenOfThisCertificateWhateverElseIsInIt) {
  BindingWorld const world;
  EXPECT_EQ(
      world.CodeOf(MakeJwt({{"cnf", {{"x5t#S256", world.Certificate->X5tS256()}}}, {"name", "\u3053\u3093"}})),
      "no error");
}

TEST(VerifyBinding, RefusesTokensOfOtherCertificatesOrNone) {
  BindingWorld const world;
  for (nlohmann::json const& claims :
       {nlohmann::json{{"cnf", {{"x5t#S256", "wrong"}}}}, nlohmann::json{{"sub", "nobody"}},
        nlohmann::json{{"cnf", nlohmann::json::object()}}, nlohmann::json{{"cnf", "text"}},
        nlohmann::json{{"cnf", {{"x5t#S256", 5}}}}}) {
    EXPECT_EQ(world.CodeOf(MakeJwt(claims)), "token_binding_mismatch") << claims;
  }
}

TEST(VerifyBinding, RefusesWhatIsNoJwt) {
  BindingWorld const world;
  std::string const header = ToBase64Url(R"({"alg":"none"})");
  std::string const bound = ToBase64Url(R"({"cnf":{"x5t#S256":")" + world.Certificate->X5tS256() + R"("}})");
  for (std::string const& token :
       {std::string{}, std::string{"notajwt"}, std::string{"a.b"}, std::string{"a.b.c.d"},
        std::string{"header.!!!.sig"}, header + "." + ToBase64Url("not json") + ".sig",
        header + "." + ToBase64Url("[]") + ".sig", "." + bound + ".sig", header + "." + bound + ".",
        // RFC 7515 section 2: base64url comes without padding.
        header + "." + bound + "==.sig"}) {
    EXPECT_EQ(world.CodeOf(token), "token_malformed") << token;
  }
}

}  // namespace
}  // namespace mtlspop::test
