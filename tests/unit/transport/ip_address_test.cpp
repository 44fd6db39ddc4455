#include "ip_address.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mtlspop {
namespace {

using testing::ElementsAre;
using testing::Optional;

TEST(IpAddressTest, FourDecimalNumbersAreAVersion4Address) {
  EXPECT_THAT(ParseIpAddress("192.0.2.1"), Optional(ElementsAre(192, 0, 2, 1)));
  EXPECT_THAT(ParseIpAddress("255.255.255.255"), Optional(ElementsAre(255, 255, 255, 255)));
}

TEST(IpAddressTest, GroupsBetweenColonsAreAVersion6Address) {
  EXPECT_THAT(
      ParseIpAddress("2001:db8:0:1:2:3:4:5"),
      Optional(ElementsAre(0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5)));
  EXPECT_THAT(ParseIpAddress("::1"), Optional(ElementsAre(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)));
  EXPECT_THAT(ParseIpAddress("[FE80::]"), Optional(ElementsAre(0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)));
  EXPECT_THAT(
      ParseIpAddress("::ffff:192.0.2.1"),
      Optional(ElementsAre(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1)));
}

/// The functions of the C library end at a zero byte.
TEST(IpAddressTest, WhatFollowsAZeroByteIsNotPassedOver) {
  EXPECT_FALSE(ParseIpAddress(std::string_view{"192.0.2.1\0.example.com", 22}));
}

TEST(IpAddressTest, NothingElseIsAnAddress) {
  for (char const* const text :
       {"",
        "1",
        "1.2.3",
        "1.2.3.4.5",
        "256.1.1.1",
        "1.2.3.4 ",
        "01234.1.1.1",
        "a.b.c.d",
        "example.com",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "1::2::3",
        "12345::",
        ":1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:",
        "::1.2.3",
        "1.2.3.4::",
        "[1.2.3.4]",
        "[::1",
        "1:2:3:4:5:6:7::8",
        "fe80::1%eth0"}) {
    EXPECT_FALSE(ParseIpAddress(text)) << text;
  }
}

}  // namespace
}  // namespace mtlspop
