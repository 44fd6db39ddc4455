// What the documents say of the command, held against the command.
#include <gmock/gmock.h>

#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <sstream>

#include "command_process.hpp"
#include "exit_code.hpp"
#include "support/temporary_directory.hpp"

namespace mtlspop::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

std::string Document(std::string const& path) {
  std::ifstream file{std::string{MTLSPOP_SOURCE_DIR} + "/" + path};
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>{file}, {}};
}

/// What stands behind "$ " in blocks of a console and begins with the command's name.
std::vector<std::string> Examples(std::string const& document) {
  std::vector<std::string> examples;
  std::istringstream lines{document};
  for (std::string line; std::getline(lines, line);) {
    if (line.compare(0, 10, "$ mtlspop ") == 0) examples.push_back(line.substr(2));
  }
  return examples;
}

/// All long options that a help text names.
std::set<std::string> OptionsIn(std::string const& help) {
  std::set<std::string> options;
  static std::regex const pattern{"(^|[ ,\n])(--[a-z0-9-]+)"};
  for (std::sregex_iterator match{help.begin(), help.end(), pattern}, end; match != end; ++match) {
    options.insert((*match)[2]);
  }
  return options;
}

class DocumentsTest : public CommandTest {
 protected:
  static std::string Help(std::vector<std::string> arguments) {
    arguments.push_back("--help");
    auto const result = RunCommand({std::move(arguments), {}, {}});
    EXPECT_EQ(result.Status, 0);
    return result.Out;
  }
};

TEST_F(DocumentsTest, ExamplesAreUnderstood) {
  TemporaryDirectory const folder;
  for (auto const* const name : {"backup.bin", "app.js", "app.py"}) folder.WriteFile(name, "");
  std::string const command{MTLSPOP_COMMAND_PATH};
  auto const path = command.substr(0, command.rfind('/'));
  int count = 0;
  for (auto const* const document : {"README.md", "docs/command.md"}) {
    for (auto const& example : Examples(Document(document))) {
      if (example.find("mtlspop serve") == 0) continue;  // it would not end
      SCOPED_TRACE(example);
      ++count;
      auto const result = RunCommand(
          {{"-c", "PATH=" + path + ":$PATH; cd " + folder.Path() + "; timeout 60 " + example},
           Environment(),
           {},
           "/bin/sh"});
      // Not every file and program of an example is there; but nothing of it is a mistake.
      EXPECT_NE(result.Status, 2) << result.Error;
      EXPECT_NE(result.Status, 1) << result.Error;
      EXPECT_NE(result.Status, 124) << "it does not end";
      EXPECT_THAT(SecretsIn(result.Out + result.Error), IsEmpty());
    }
  }
  EXPECT_GT(count, 8);
}

TEST_F(DocumentsTest, ManualPageKnowsEveryOptionAndNoOther) {
  auto page = Document("docs/man/mtlspop.1");
  page = std::regex_replace(page, std::regex{"\\\\-"}, "-");
  page = std::regex_replace(page, std::regex{"\\\\f[A-Z]"}, " ");
  std::set<std::string> known;
  for (auto const* const command : {"", "doctor", "get", "run", "serve", "token"}) {
    auto const options =
        OptionsIn(Help(*command == '\0' ? std::vector<std::string>{} : std::vector<std::string>{command}));
    known.insert(options.begin(), options.end());
  }
  auto const described = OptionsIn(page);
  for (auto const& option : known) EXPECT_EQ(described.count(option), 1U) << option << " is not in the manual page";
  for (auto const& option : described) EXPECT_EQ(known.count(option), 1U) << option << " is no option";
}

TEST_F(DocumentsTest, TableHasEveryExitStatus) {
  auto const document = Document("docs/command.md");
  auto const header = Document("adapters/command/src/exit_code.hpp");
  static std::regex const pattern{"  [A-Za-z]+ = ([0-9]+),"};
  int count = 0;
  for (std::sregex_iterator match{header.begin(), header.end(), pattern}, end; match != end; ++match, ++count) {
    EXPECT_THAT(document, HasSubstr("\n| " + (*match)[1].str() + " | "));
  }
  EXPECT_GT(count, 25);
}

TEST_F(DocumentsTest, CompletionReadsTheHelp) {
  auto const complete = [](std::string const& words) {
    std::string const command{MTLSPOP_COMMAND_PATH};
    auto const script = "PATH=" + command.substr(0, command.rfind('/')) + ":$PATH; . " + MTLSPOP_SOURCE_DIR +
                        "/adapters/command/completion/mtlspop.bash; COMP_WORDS=(" + words +
                        "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _mtlspop; printf '%s ' \"${COMPREPLY[@]}\"";
    return RunCommand({{"-c", script}, {}, {}, "/bin/bash"}).Out;
  };
  EXPECT_EQ(complete("mtlspop do"), "doctor ");
  EXPECT_THAT(complete("mtlspop get --max"), HasSubstr("--max-time"));
  EXPECT_THAT(complete("mtlspop get --iden"), HasSubstr("--identity"));
  EXPECT_EQ(complete("mtlspop get --binding pre"), "preferred ");
}

}  // namespace
}  // namespace mtlspop::test
