#include "output.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <sstream>

#include "support/error_code_of.hpp"
#include "support/temporary_directory.hpp"

namespace mtlspop::command {
namespace {

using test::ErrorCodeOf;

class OutputTest : public testing::Test {
 protected:
  Terminal Screen(bool isTerminal) { return {in_, out_, error_, isTerminal, isTerminal}; }

  std::istringstream in_;
  std::ostringstream out_;
  std::ostringstream error_;
  test::TemporaryDirectory folder_;
};

TEST_F(OutputTest, MakesItsFileWhenSomethingComes) {
  auto terminal = Screen(true);
  auto const path = folder_.PathOf("out");
  Output output{path, terminal};
  EXPECT_FALSE(std::ifstream{path});
  output.Write(std::string_view{"a\0b", 3});
  output.Finish();
  std::ifstream file{path};
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>{file}, {}), std::string("a\0b", 3));
  EXPECT_EQ(out_.str(), "");
}

TEST_F(OutputTest, MakesAnEmptyFileForAnEmptyAnswer) {
  auto terminal = Screen(false);
  auto const path = folder_.PathOf("out");
  Output{path, terminal}.Finish();
  EXPECT_TRUE(std::ifstream{path});
}

TEST_F(OutputTest, ShowsNothingOnATerminalThatIsNoText) {
  auto terminal = Screen(true);
  Output output{"", terminal};
  output.Write("text");
  EXPECT_EQ(ErrorCodeOf([&] { output.Write(std::string_view{"\0", 1}); }), "write_failed");
  EXPECT_EQ(out_.str(), "text");
  Output asked{"-", terminal};
  asked.Write(std::string_view{"\0", 1});
  auto piped = Screen(false);
  Output{"", piped}.Write(std::string_view{"\0", 1});
  EXPECT_EQ(out_.str(), std::string("text\0\0", 6));
}

TEST_F(OutputTest, SaysWhatCannotBeWritten) {
  auto terminal = Screen(false);
  EXPECT_EQ(ErrorCodeOf([&] { Output("/nowhere/x", terminal).Write("x"); }), "write_failed");
  out_.setstate(std::ios::badbit);
  EXPECT_EQ(ErrorCodeOf([&] { Output("", terminal).Write("x"); }), "write_failed");
}

}  // namespace
}  // namespace mtlspop::command
