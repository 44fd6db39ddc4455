// What the documents promise to hold, they hold.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
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
  for (auto const& column : FindAll(text, R"(\n\| (`[^|]*`)(?: \([A-Za-z]+\))? \|)")) {
    for (auto const& name : FindAll(column, "`([a-z0-9_.]+)`")) rows.insert(name);
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
      FindAllFrom(ReadSources(Layers), "Severity::", R"rx(Severity::(?:Warning|Error),\s+"([a-z0-9_.]+)")rx");
  ASSERT_GT(events.size(), 20U);
  auto const rows = TroubleshootingRows();
  for (auto const& event : events) EXPECT_EQ(rows.count(event), 1U) << event;
}

TEST(Troubleshooting, NamesNoCodeOrEventThatIsGone) {
  auto const sources = ReadSources(Layers);
  for (auto const& row : TroubleshootingRows()) {
    EXPECT_NE(sources.find('"' + row + '"'), std::string::npos) << row;
  }
}

/// What an event may have, from all places that tell it.
struct ToldEvent {
  std::set<std::string> Severities;
  std::set<std::string> Fields;
};
using ToldEvents = std::map<std::string, ToldEvent>;

/// From behind an opening parenthesis to the one that closes it; parentheses in texts do not count.
std::string ArgumentsFrom(std::string const& text, std::size_t begin) {
  int depth = 1;
  bool isText = false;
  auto at = begin;
  for (; at < text.size() && depth > 0; ++at) {
    if (isText && text[at] == '\\') {
      ++at;
    } else if (text[at] == '"') {
      isText = !isText;
    } else if (!isText) {
      depth += text[at] == '(' ? 1 : text[at] == ')' ? -1 : 0;
    }
  }
  return text.substr(begin, at - begin);
}

/// Adds what calls of `function` tell, for example `Tell(Severity::Info, "binding.loaded", {{"x5t_s256", ...}})`.
void AddCalls(std::string const& sources, std::string const& function, ToldEvents& events) {
  for (auto at = sources.find(function); at != std::string::npos; at = sources.find(function, at + 1)) {
    auto const arguments = ArgumentsFrom(sources, at + function.size());
    auto const head = arguments.substr(0, arguments.find("{{"));
    auto const fields = FindAll(arguments, R"rx(\{\s*"([a-z0-9_]+)",)rx");
    for (auto const& name : FindAll(head, R"rx("([a-z]+\.[a-z_]+)")rx")) {
      auto& event = events[name];
      event.Fields.insert(fields.begin(), fields.end());
      for (auto severity : FindAll(head, R"rx(Severity::(\w+))rx")) {
        severity.front() = static_cast<char>(severity.front() - 'A' + 'a');
        event.Severities.insert(severity);
      }
    }
  }
}

/// As the code tells them.
ToldEvents EventsOfTheCode() {
  auto const sources = ReadSources({"transport", "credential", "policies", "adapters", "keys"});
  ToldEvents events;
  AddCalls(sources, "Tell(", events);
  // Where a lock is held these are noted first, and told later with these fields.
  for (auto const& pair :
       FindAllFrom(sources, "Note(Severity::", R"rx(Note\(Severity::(\w+),\s+"([a-z_]+\.[a-z_]+)")rx")) {
    auto const dot = pair.find('.');
    auto severity = pair.substr(0, dot);
    severity.front() = static_cast<char>(severity.front() - 'A' + 'a');
    auto& event = events[pair.substr(dot + 1)];
    event.Severities.insert(severity);
    event.Fields.insert({"tier", "what"});
  }
  // The native library names the severity.
  events["attestation.native"].Severities = {"debug", "info", "warning", "error"};
  return events;
}

/// As the tables of docs/observability.md have them.
ToldEvents EventsOfTheTable() {
  ToldEvents events;
  auto const text = ReadText(Root / "docs" / "observability.md");
  std::regex const row{R"rx(\n\| `([a-z]+\.[a-z_]+)` \| ([a-z, ]+) \| ([^|]*) \|)rx"};
  for (std::sregex_iterator match{text.begin(), text.end(), row}; match != std::sregex_iterator{}; ++match) {
    EXPECT_EQ(events.count((*match)[1]), 0U) << (*match)[1];
    events[(*match)[1]] = {FindAll((*match)[2], "([a-z]+)"), FindAll((*match)[3], "`([a-z0-9_]+)`")};
  }
  return events;
}

TEST(Observability, ItsTablesHaveEachEventWithItsSeveritiesAndFields) {
  auto const told = EventsOfTheCode();
  auto const written = EventsOfTheTable();
  ASSERT_GT(told.size(), 40U);
  for (auto const& [name, event] : told) {
    auto const found = written.find(name);
    if (found == written.end()) {
      ADD_FAILURE() << name << " is not in the tables";
      continue;
    }
    EXPECT_EQ(found->second.Severities, event.Severities) << name;
    EXPECT_EQ(found->second.Fields, event.Fields) << name;
  }
  for (auto const& [name, event] : written) EXPECT_EQ(told.count(name), 1U) << name << " is told nowhere";
}

TEST(Observability, EachFieldIsExplained) {
  std::set<std::string> used{"credential", "identity"};
  for (auto const& [name, event] : EventsOfTheCode()) used.insert(event.Fields.begin(), event.Fields.end());
  auto const text = ReadText(Root / "docs" / "observability.md");
  auto const begin = text.find("\n## Fields\n");
  ASSERT_NE(begin, std::string::npos);
  std::set<std::string> explained;
  for (auto const& column : FindAll(text.substr(begin), R"(\n\| (`[^|]*`) \|)")) {
    explained.merge(FindAll(column, "`([a-z0-9_]+)`"));
  }
  EXPECT_EQ(explained, used);
}

/// One table of all variables: none is read that is not in it, and none is in it that nobody knows.
TEST(EnvironmentVariables, AllHaveARow) {
  auto const sources = ReadSources({"transport", "credential", "policies", "adapters", "keys"});
  auto known = FindAll(sources, R"rx("([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)")rx");
  known.merge(FindAll(sources, R"rx("([a-z]+_proxy)")rx"));
  ASSERT_GT(known.size(), 30U);
  std::set<std::string> written;
  for (auto const& column : FindAll(ReadText(Root / "docs" / "environment.md"), R"(\n\| (`[^|]*`) \|)")) {
    written.merge(FindAll(column, "`([A-Za-z0-9_]+)`"));
  }
  EXPECT_EQ(written, known);
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

/// Whoever asks what was tried finds all of it: no test with the label `attack` is without its row.
TEST(ThreatModel, HasARowForEachAttack) {
  auto const named = FindAll(ReadText(Root / "docs" / "threat-model.md"), R"(\b(Attack\w+\.[A-Z]\w+)\b)");
  for (auto const& test : Tests()) {
    if (test.rfind("Attack", 0) != 0) continue;
    EXPECT_EQ(named.count(test), 1U) << test;
  }
}

}  // namespace
}  // namespace mtlspop::test
