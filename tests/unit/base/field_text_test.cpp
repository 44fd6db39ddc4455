#include "mtlspop/base/field_text.hpp"

#include <string>

#include <gtest/gtest.h>

namespace mtlspop {
namespace {

bool IsControl(int byte) { return (byte < 0x20 && byte != '\t') || byte == 0x7f; }

// Long texts are looked at in pieces, of sixteen, of eight and of one.
constexpr std::size_t Longest = 45;

TEST(FieldTextTest, FindsEachByteInEachPlaceOfTextsOfEachLength) {
  for (std::size_t length = 0; length <= Longest; ++length) {
    EXPECT_TRUE(IsFieldText(std::string(length, 'a')));
    for (std::size_t place = 0; place < length; ++place) {
      std::string text(length, 'a');
      for (int byte = 0; byte < 256; ++byte) {
        text[place] = static_cast<char>(byte);
        EXPECT_EQ(IsFieldText(text), !IsControl(byte)) << byte << " at " << place << " of " << length;
      }
    }
  }
}

TEST(FieldTextTest, IsNotMisledByNeighbours) {
  for (int left = 0; left < 256; ++left) {
    for (int right = 0; right < 256; ++right) {
      for (std::size_t const place : {0U, 6U, 15U, 16U, 22U}) {
        std::string text(24, ' ');
        text[place] = static_cast<char>(left);
        text[place + 1] = static_cast<char>(right);
        EXPECT_EQ(IsFieldText(text), !IsControl(left) && !IsControl(right))
            << left << " and " << right << " at " << place;
      }
    }
  }
}

TEST(FieldTextTest, FieldsAreAppended) {
  std::string text = "HTTP/1.1 200 OK\r\n";
  AppendField(text, "Content-Length", "0");
  AppendField(text, "X", "");
  EXPECT_EQ(text, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: \r\n");
}

TEST(FieldTextTest, FieldsThatFindRoomMoveNothing) {
  std::string text;
  text.reserve(64);
  auto const* const before = text.data();
  AppendField(text, "Authorization", std::string(64 - 17, 't'));
  EXPECT_EQ(text.data(), before);
  EXPECT_EQ(text.size(), 64U);
}

}  // namespace
}  // namespace mtlspop
