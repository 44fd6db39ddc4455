#include "gateway/request_head.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mtlspop::gateway {
namespace {

RequestHead Plain() {
  RequestHead head;
  head.Method = "GET";
  head.Target = "/a";
  head.Fields.Add("Host", "a.example");
  return head;
}

RequestHead With(std::string name, std::string value) {
  auto head = Plain();
  head.Fields.Add(std::move(name), std::move(value));
  return head;
}

TEST(GatewayRequestHead, IsTakenWhereThereIsOneWayToReadIt) {
  EXPECT_FALSE(RefusalOf(Plain()));
  EXPECT_FALSE(RefusalOf(With("Content-Length", "5")));
  EXPECT_FALSE(RefusalOf(With("Transfer-Encoding", "Chunked")));
  EXPECT_FALSE(RefusalOf(With("Connection", "keep-alive, x-mine")));
}

TEST(AttackGatewayRequestHead, IsRefusedWhereThereAreTwo) {
  for (auto const& [name, value] : std::initializer_list<std::pair<char const*, char const*>>{
           {"Host", "b.example"},
           {"Transfer-Encoding", "gzip"},
           {"Transfer-Encoding", "gzip, chunked"},
           {"Transfer-Encoding", "chunked, chunked"},
           {"Transfer-Encoding", "identity"},
           {"Content-Length", "+5"},
           {"Content-Length", "5, 5"},
           {"Content-Length", "0x5"},
           {"Content-Length", ""},
           {"Content-Length", "99999999999999999999999"},
           {"Connection", "close, host"},
           {"Connection", "Authorization"},
           {"X-Forwarded-For", "1.2.3.4"},
           {"Forwarded", "for=1.2.3.4"},
           {"Expect", "something"},
           {"x-a", "b\x01"}}) {
    auto const refusal = RefusalOf(With(name, value));
    ASSERT_TRUE(refusal) << name << ": " << value;
    EXPECT_TRUE(refusal->Closes) << name << ": " << value;
  }
}

TEST(GatewayRequestHead, PassesOnWhatIsNotOfItsConnection) {
  auto head = Plain();
  for (auto const& [name, value] : std::initializer_list<std::pair<char const*, char const*>>{
           {"Accept", "*/*"},
           {"Connection", "keep-alive, X-Mine"},
           {"X-Mine", "1"},
           {"Keep-Alive", "timeout=5"},
           {"Proxy-Authorization", "Basic x"},
           {"Proxy-Connection", "close"},
           {"TE", "trailers"},
           {"Trailer", "x"},
           {"Upgrade", "h2c"},
           {"Expect", "100-continue"},
           {"x-ms-tokenboundauth", "true"}}) {
    head.Fields.Add(name, value);
  }
  auto const passed = FieldsToPassOn(head);
  EXPECT_EQ(passed.Size(), 1U);
  EXPECT_EQ(passed.Get("Accept"), "*/*");
}

}  // namespace
}  // namespace mtlspop::gateway
