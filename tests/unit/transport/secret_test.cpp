#include "mtlspop/transport/secret.hpp"

#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <utility>

namespace mtlspop {
namespace {

TEST(SecretTest, IsHadByNameOnly) {
  Secret const secret{std::string_view{"a token"}};
  EXPECT_EQ(secret.Reveal(), "a token");
  std::ostringstream printed;
  printed << secret;
  EXPECT_EQ(printed.str(), "[redacted]");
}

TEST(SecretTest, DefaultIsEmpty) {
  Secret const secret;
  EXPECT_TRUE(secret.Empty());
  EXPECT_EQ(secret.Reveal(), "");
  EXPECT_EQ(secret, Secret{std::string_view{}});
}

TEST(SecretTest, OverwritesWhatItTookOver) {
  // Long enough to live on the heap, where the bytes would stay behind.
  std::string text(256, 's');
  Secret const secret{std::move(text)};
  EXPECT_EQ(secret.Reveal(), std::string(256, 's'));
  // NOLINTNEXTLINE(bugprone-use-after-move): that nothing is left in it is what is promised.
  EXPECT_EQ(text.find('s'), std::string::npos);
}

TEST(SecretTest, OverwritesAShortTextToo) {
  std::string text = "short";
  Secret const secret{std::move(text)};
  EXPECT_EQ(secret.Reveal(), "short");
  // NOLINTNEXTLINE(bugprone-use-after-move): that nothing is left in it is what is promised.
  EXPECT_TRUE(text.empty());
}

TEST(SecretTest, CopiesShareOneText) {
  Secret const first{std::string_view{"a token"}};
  Secret const second = first;  // NOLINT(performance-unnecessary-copy-initialization): the copy is what is tested.
  EXPECT_EQ(first.Reveal().data(), second.Reveal().data());
  EXPECT_EQ(first, second);
  EXPECT_NE(first, Secret{std::string_view{"another"}});
}

TEST(SecretTest, OutlivesTheFirstCopy) {
  Secret survivor;
  {
    Secret const first{std::string_view{"a token"}};
    survivor = first;
  }
  EXPECT_EQ(survivor.Reveal(), "a token");
}

TEST(CleanseTest, OverwritesTheWholeBuffer) {
  std::string text(200, 'x');
  text.resize(10);
  auto const* const bytes = text.data();
  auto const capacity = text.capacity();
  Cleanse(text);
  EXPECT_TRUE(text.empty());
  ASSERT_EQ(text.data(), bytes);
  ASSERT_EQ(text.capacity(), capacity);
  // Growing within the capacity moves nothing, and shows nothing of what was there.
  text.resize(capacity, 'y');
  EXPECT_EQ(text.find('x'), std::string::npos);
}

}  // namespace
}  // namespace mtlspop
