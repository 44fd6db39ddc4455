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
#include <vector>

#include "mtlspop/base/encoding.hpp"
#include "mtlspop/transport/headers.hpp"
#include "mtlspop/transport/redact.hpp"
#include "mtlspop/transport/url.hpp"
#include "support/turkish_locale.hpp"

namespace mtlspop {
namespace {

bool IsWord(char character) {
  return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') || character == '_' ||
         (character >= '0' && character <= '9');
}

/// Functions that ask the locale. Numbers are read with std::from_chars and written with std::to_string of an integer.
constexpr std::array<std::string_view, 33> AskTheLocale{
    "toupper",       "tolower",       "isalnum",      "isalpha",   "isdigit", "isxdigit",   "isspace",
    "isupper",       "islower",       "isprint",      "ispunct",   "isgraph", "strtod",     "strtol",
    "strtoul",       "strtoull",      "strtoll",      "atoi",      "atof",    "strcasecmp", "strncasecmp",
    "stoi",          "stol",          "stoll",        "stoul",     "stoull",  "stod",       "get_time",
    "ostringstream", "istringstream", "stringstream", "setlocale", "strftime"};

/// Functions that read the environment. They are called in headers of base alone, which leave out what a privileged program
/// must not hear.
constexpr std::array<std::string_view, 5> ReadTheEnvironment{
    "getenv", "secure_getenv", "_wgetenv", "getenv_s", "environ"};

std::string WithoutComments(std::string text) {
  for (auto at = text.find("//"); at != std::string::npos; at = text.find("//", at)) {
    text.erase(at, text.find('\n', at) - at);
  }
  return text;
}

bool Uses(std::string const& text, std::string_view name) {
  for (auto at = text.find(name); at != std::string::npos; at = text.find(name, at + 1)) {
    auto const end = at + name.size();
    if ((at == 0 || !IsWord(text[at - 1])) && (end == text.size() || !IsWord(text[end]))) return true;
  }
  return false;
}

struct Source {
  std::filesystem::path Path;
  /// Without its comments.
  std::string Text;
};

std::vector<Source> AllSources() {
  std::vector<Source> sources;
  for (auto const* layer : {"base", "transport", "credential", "policies", "adapters", "keys"}) {
    for (auto const& entry :
         std::filesystem::recursive_directory_iterator{std::filesystem::path{MTLSPOP_SOURCE_DIR} / layer}) {
      auto const extension = entry.path().extension();
      if (extension != ".cpp" && extension != ".hpp") continue;
      std::ifstream file{entry.path()};
      sources.push_back({entry.path(), WithoutComments({std::istreambuf_iterator<char>{file}, {}})});
    }
  }
  return sources;
}

TEST(AttackLocaleTest, NothingAsksTheLocaleAboutProtocolText) {
  auto const sources = AllSources();
  for (auto const& source : sources) {
    for (auto const name : AskTheLocale) EXPECT_FALSE(Uses(source.Text, name)) << source.Path << " uses " << name;
  }
  EXPECT_GT(sources.size(), 300U) << "where are the sources?";
}

TEST(AttackEnvironmentTest, IsReadInOnePlace) {
  for (auto const& source : AllSources()) {
    if (source.Path.filename() == "environment_variable.hpp") continue;
    for (auto const name : ReadTheEnvironment) {
      EXPECT_FALSE(Uses(source.Text, name)) << source.Path << " uses " << name;
    }
  }
}

TEST(AttackLocaleTest, ProtocolTextIsTheSameInTurkish) {
  test::TurkishLocale const locale;
  if (!locale.IsSet()) GTEST_SKIP() << "the system has no sources of the locale tr_TR (Debian's package locales)";
  EXPECT_TRUE(EqualsIgnoreCase("IMDS/150", "imds/150"));
  Headers fields;
  fields.Set("WWW-AUTHENTICATE", "BEARER resource=\"https://i.example\"");
  EXPECT_FALSE(fields.Get("www-authenticate").empty());
  auto const url = Url::Parse("HTTPS://VAULTI.EXAMPLE:8443/I%c4%b0");
  EXPECT_EQ(url.Host(), "vaulti.example");
  EXPECT_TRUE(url.IsHttps());
  EXPECT_EQ(url.WithQueryParameter("i", "I 1.5").Query(), "i=I%201.5");
  EXPECT_THAT(Redact("AUTHORIZATION: BEARER abcdefghijklmnopqrstuvwxyz"), testing::Not(testing::HasSubstr("abcdefgh")));
  std::array<std::uint8_t, 3> const data{0xF0, 0x1F, 0x69};
  EXPECT_EQ(encoding::ToHex(data), "F01F69");
  EXPECT_EQ(std::to_string(1'234'567), "1234567");
}

}  // namespace
}  // namespace mtlspop
