#include "mtlspop/base/encoding.hpp"

#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mtlspop::encoding {
namespace {

std::string Text(std::optional<std::vector<std::uint8_t>> const& bytes) {
  return bytes ? std::string{bytes->begin(), bytes->end()} : "none";
}

/// RFC 4648 section 10.
TEST(Base64, IsThatOfTheStandardsExamples) {
  std::vector<std::pair<std::string, std::string>> const examples{
      {"", ""},
      {"f", "Zg=="},
      {"fo", "Zm8="},
      {"foo", "Zm9v"},
      {"foob", "Zm9vYg=="},
      {"fooba", "Zm9vYmE="},
      {"foobar", "Zm9vYmFy"}};
  for (auto const& [plain, encoded] : examples) {
    EXPECT_EQ(ToBase64(AsBytes(plain)), encoded);
    EXPECT_EQ(Text(FromBase64(encoded)), plain);
    EXPECT_EQ(ToBase64Url(AsBytes(plain)), encoded.substr(0, encoded.find('=')));
    EXPECT_EQ(Text(FromBase64Url(ToBase64Url(AsBytes(plain)))), plain);
  }
}

TEST(Base64, HasTwoAlphabets) {
  std::string const bytes{"\xFB\xFF\xBF"};
  EXPECT_EQ(ToBase64(AsBytes(bytes)), "+/+/");
  EXPECT_EQ(ToBase64Url(AsBytes(bytes)), "-_-_");
  EXPECT_EQ(Text(FromBase64("-_-_")), "none");
  EXPECT_EQ(Text(FromBase64Url("+/+/")), "none");
  EXPECT_EQ(Text(FromAnyBase64("-_-_")), bytes);
  EXPECT_EQ(Text(FromAnyBase64("+/+/")), bytes);
  EXPECT_EQ(Text(FromAnyBase64("+/-_")), "none");
  EXPECT_EQ(Text(FromAnyBase64("Zg==")), "f");
  EXPECT_EQ(Text(FromAnyBase64("Zg")), "f");
}

TEST(Base64, PassesOverWhitespaceAndRefusesTheRest) {
  EXPECT_EQ(Text(FromBase64("Zm9v\r\nYmFy\n")), "foobar");
  EXPECT_EQ(Text(FromBase64(" Zm9v YmE=\t\n")), "fooba");
  for (auto const* const text : {"Z", "Zm9vY", "Zm9*", "Zg=a", "Zg===", "Zm9v\xC3"}) {
    EXPECT_EQ(Text(FromBase64(text)), "none") << text;
  }
  for (auto const* const text : {"Zg==", "Zm9v\n", "Zm 9v"}) EXPECT_EQ(Text(FromBase64Url(text)), "none") << text;
}

TEST(Hex, HasTwoUpperCaseDigitsForEachByte) { EXPECT_EQ(ToHex(AsBytes(std::string{"\0\x0F\xA5", 3})), "000FA5"); }

}  // namespace
}  // namespace mtlspop::encoding
