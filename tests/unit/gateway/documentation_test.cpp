#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>

namespace mtlspop::gateway {
namespace {

std::string ReadText(std::filesystem::path const& path) {
  std::ifstream in{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

// Whoever is on call looks a code of the gateway's own up, and finds it.
TEST(GatewayDocument, HasARowForEachCode) {
  std::filesystem::path const root{MTLSPOP_SOURCE_DIR};
  auto const document = ReadText(root / "docs" / "gateway.md");
  std::regex const pattern{R"rx(\b[45]\d\d(?: : [45]\d\d)?,\s+"([a-z_]+)")rx"};
  std::set<std::string> codes;
  for (auto const& file : std::filesystem::directory_iterator{root / "adapters/command/src/gateway"}) {
    auto const text = ReadText(file.path());
    for (std::sregex_iterator match{text.begin(), text.end(), pattern}, end; match != end; ++match) {
      codes.insert((*match)[1]);
    }
  }
  EXPECT_GT(codes.size(), 15U);
  for (auto const& code : codes) EXPECT_THAT(document, testing::HasSubstr("`" + code + "`"));
}

}  // namespace
}  // namespace mtlspop::gateway
