// The locale of the process changes what a letter, a digit and a blank are, and how a number is written: in Turkish "i" is not
// the small form of "I". Protocol text knows no locale.

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

namespace mtlspop {
namespace {

bool IsWord(char character) {
  return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') || character == '_' ||
         (character >= '0' && character <= '9');
}

/// Functions that ask the locale. Numbers are read with std::from_chars and written with std::to_string of an integer.
constexpr std::array<std::string_view, 31> Forbidden{
    "toupper", "tolower",  "isalnum",       "isalpha",       "isdigit",      "isxdigit",  "isspace", "isupper",
    "islower", "isprint",  "ispunct",       "isgraph",       "strtod",       "strtol",    "strtoul", "strtoull",
    "atoi",    "atof",     "strcasecmp",    "strncasecmp",   "stoi",         "stol",      "stoul",   "stoull",
    "stod",    "get_time", "ostringstream", "istringstream", "stringstream", "setlocale", "strftime"};

std::string WithoutComments(std::string text) {
  for (auto at = text.find("//"); at != std::string::npos; at = text.find("//", at)) {
    text.erase(at, text.find('\n', at) - at);
  }
  return text;
}

TEST(AttackLocaleTest, NothingAsksTheLocaleAboutProtocolText) {
  std::size_t files = 0;
  for (auto const* layer : {"base", "transport", "credential", "policies", "adapters"}) {
    for (auto const& entry :
         std::filesystem::recursive_directory_iterator{std::filesystem::path{MTLSPOP_SOURCE_DIR} / layer}) {
      auto const extension = entry.path().extension();
      if (extension != ".cpp" && extension != ".hpp") continue;
      ++files;
      std::ifstream file{entry.path()};
      auto const text = WithoutComments({std::istreambuf_iterator<char>{file}, {}});
      for (auto const name : Forbidden) {
        for (auto at = text.find(name); at != std::string::npos; at = text.find(name, at + 1)) {
          auto const end = at + name.size();
          bool const whole = (at == 0 || !IsWord(text[at - 1])) && (end == text.size() || !IsWord(text[end]));
          EXPECT_FALSE(whole) << entry.path() << " uses " << name;
        }
      }
    }
  }
  EXPECT_GT(files, 200U) << "where are the sources?";
}

}  // namespace
}  // namespace mtlspop
