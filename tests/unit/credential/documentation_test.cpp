// What the documents promise to hold, they hold.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mtlspop::test {
namespace {

namespace fs = std::filesystem;

fs::path const Root{MTLSPOP_SOURCE_DIR};

std::string ReadText(fs::path const& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, std::istreambuf_iterator<char>{}};
}

/// The texts of all C++ files below these folders, one after the other.
std::string ReadSources(std::vector<std::string> const& folders) {
  std::string text;
  for (auto const& folder : folders) {
    for (auto const& entry : fs::recursive_directory_iterator{Root / folder}) {
      auto const extension = entry.path().extension();
      if (extension == ".cpp" || extension == ".hpp") text += ReadText(entry.path());
    }
  }
  return text;
}

/// All that the first group of `pattern` matches.
std::set<std::string> FindAll(std::string const& text, char const* pattern) {
  std::regex const expression{pattern};
  std::set<std::string> found;
  for (std::sregex_iterator match{text.begin(), text.end(), expression}; match != std::sregex_iterator{}; ++match) {
    found.insert((*match)[1]);
  }
  return found;
}

/// All that the first group of `pattern` matches, and after a dot the second where there is one, wherever `start` begins a
/// match: a search of all sources by the pattern alone would take seconds.
std::set<std::string> FindAllFrom(std::string const& text, std::string const& start, char const* pattern) {
  constexpr std::size_t longest = 300;
  std::regex const expression{pattern};
  std::set<std::string> found;
  for (auto at = text.find(start); at != std::string::npos; at = text.find(start, at + 1)) {
    auto const begin = text.begin() + static_cast<std::ptrdiff_t>(at);
    auto const end = begin + static_cast<std::ptrdiff_t>(std::min(longest, text.size() - at));
    std::smatch match;
    if (!std::regex_search(begin, end, match, expression, std::regex_constants::match_continuous)) continue;
    found.insert(match.size() > 2 ? match[1].str() + "." + match[2].str() : match[1].str());
  }
  return found;
}

std::vector<std::string> const Layers{"transport", "credential", "policies", "adapters"};

/// The first column of every table, where codes and events stand in backticks.
std::set<std::string> TroubleshootingRows() {
  std::set<std::string> rows;
  auto const text = ReadText(Root / "docs" / "troubleshooting.md");
  for (auto const& column : FindAll(text, R"(\n\| (`[^|]*`) \|)")) {
    for (auto const& name : FindAll(column, "`([a-z0-9_]+)`")) rows.insert(name);
  }
  return rows;
}

/// Whoever is on call looks a code up, and finds it.
TEST(Troubleshooting, HasARowForEachErrorCodeOfEachLayer) {
  auto const codes = FindAllFrom(ReadSources(Layers), "ErrorCode", R"rx(ErrorCode\s+\w+\{"([a-z0-9_]+)"\})rx");
  ASSERT_GT(codes.size(), 50U);
  auto const rows = TroubleshootingRows();
  for (auto const& code : codes) EXPECT_EQ(rows.count(code), 1U) << code;
}

TEST(Troubleshooting, HasARowForEachWarning) {
  auto const events =
      FindAllFrom(ReadSources(Layers), "LogLevel::", R"rx(LogLevel::(?:Warning|Error),\s+"([a-z0-9_]+)")rx");
  ASSERT_GT(events.size(), 10U);
  auto const rows = TroubleshootingRows();
  for (auto const& event : events) EXPECT_EQ(rows.count(event), 1U) << event;
}

TEST(Troubleshooting, NamesNoCodeOrEventThatIsGone) {
  auto const sources = ReadSources(Layers);
  for (auto const& row : TroubleshootingRows()) {
    EXPECT_NE(sources.find('"' + row + '"'), std::string::npos) << row;
  }
}

/// The tests that exist, as "Suite.Name".
std::set<std::string> Tests() {
  return FindAllFrom(ReadSources({"tests"}), "TEST", R"(TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\))");
}

class CoverageTable : public testing::TestWithParam<char const*> {};

/// A table that says which test covers what names tests that exist.
TEST_P(CoverageTable, NamesTestsThatExist) {
  auto const text = ReadText(Root / "docs" / GetParam());
  auto named = FindAll(text, R"(\b([A-Z]\w+\.[A-Z]\w{6,})\b)");
  named.erase("Microsoft.Identity");
  ASSERT_GT(named.size(), 40U);
  auto const tests = Tests();
  for (auto const& name : named) EXPECT_EQ(tests.count(name), 1U) << name;
  // Written without the suite where it is that of the name before.
  for (auto const& ending : FindAll(text, R"([ (](\.[A-Z]\w{6,}))")) {
    EXPECT_TRUE(std::any_of(tests.begin(), tests.end(), [&](auto const& test) {
      return test.size() > ending.size() && test.compare(test.size() - ending.size(), ending.size(), ending) == 0;
    })) << ending;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Documents,
    CoverageTable,
    testing::Values("test-coverage-of-msal.md", "test-coverage-of-the-contract.md", "threat-model.md"));

}  // namespace
}  // namespace mtlspop::test
