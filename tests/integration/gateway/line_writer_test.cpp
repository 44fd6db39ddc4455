#include "gateway/line_writer.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <sstream>
#include <thread>
#include <vector>

#include "mtlspop/base/posix/descriptor.hpp"

namespace mtlspop::test {
namespace {

using gateway::LineWriter;

class GatewayLineWriter : public testing::Test {
 protected:
  GatewayLineWriter() {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    reading_ = Descriptor{ends[0]};
    writing_ = Descriptor{ends[1]};
  }

  int Writing() const noexcept { return writing_.Get(); }
  /// What comes until the writing end is closed.
  std::string ReadAll() {
    std::string text;
    std::array<char, 65536> piece{};
    for (ssize_t count = 0; (count = ::read(reading_.Get(), piece.data(), piece.size())) > 0;) {
      text.append(piece.data(), static_cast<std::size_t>(count));
    }
    return text;
  }
  void CloseWriting() { writing_ = Descriptor{}; }
  void CloseReading() { reading_ = Descriptor{}; }

 private:
  Descriptor reading_;
  Descriptor writing_;
};

TEST_F(GatewayLineWriter, MixesNoLinesOfSeveralThreads) {
  std::string text;
  std::thread reader{[&] { text = ReadAll(); }};
  {
    LineWriter writer{Writing()};
    std::vector<std::thread> threads;
    for (char const letter : {'a', 'b', 'c'}) {
      // Longer than what one write to a pipe keeps together.
      threads.emplace_back([&writer, letter] {
        for (int line = 0; line < 20; ++line) writer.Write(std::string(6'000, letter));
      });
    }
    for (auto& thread : threads) thread.join();
  }
  CloseWriting();
  reader.join();
  std::istringstream lines{text};
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    EXPECT_EQ(line, std::string(6'000, line.front()));
  }
  EXPECT_EQ(count, 60);
}

TEST_F(GatewayLineWriter, LetsNobodyWaitForAReaderThatHasStopped) {
  std::string const line(1'000, 'x');
  auto writer = std::make_unique<LineWriter>(Writing(), 100);
  for (int count = 0; count < 1'000; ++count) writer->Write(line);
  std::string text;
  std::thread reader{[&] { text = ReadAll(); }};
  writer = nullptr;
  CloseWriting();
  reader.join();
  EXPECT_THAT(text, testing::HasSubstr("\n{\"lines_left_out\":"));
}

TEST_F(GatewayLineWriter, EndsWithoutAReader) {
  auto writer = std::make_unique<LineWriter>(Writing());
  for (int count = 0; count < 1'000; ++count) writer->Write(std::string(1'000, 'x'));
  writer = nullptr;
  SUCCEED();
}

}  // namespace
}  // namespace mtlspop::test
