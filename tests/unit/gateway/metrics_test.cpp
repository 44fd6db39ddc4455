#include "gateway/metrics.hpp"

#include <algorithm>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mtlspop::gateway {
namespace {

// A program of `run` may call any number of hosts.
TEST(GatewayMetrics, AreBoundedInNumber) {
  Metrics metrics;
  ExchangeRecord record;
  record.Status = 200;
  record.IsComplete = true;
  for (int host = 0; host < 1500; ++host) {
    record.Origin = "https://" + std::to_string(host) + ".example";
    metrics.Record(record);
    metrics.Record(record);
  }
  auto const text = metrics.Text({}, 0, {});
  EXPECT_THAT(text, testing::HasSubstr(R"(mtlspop_requests_total{origin="https://999.example",status="200"} 2)"));
  EXPECT_THAT(text, testing::HasSubstr(R"(mtlspop_requests_total{origin="others",status="0"} 1000)"));
  EXPECT_LT(std::count(text.begin(), text.end(), '\n'), 2100);
}

// Clients that are turned away come again and again.
TEST(GatewayMetrics, SayNowAndThenThatClientsAreNotAccepted) {
  using std::chrono::seconds;
  Metrics metrics;
  std::chrono::steady_clock::time_point const start{};
  EXPECT_EQ(metrics.RecordNotAccepted(NotAccepted::TooManyConnections, start), 1U);
  EXPECT_EQ(metrics.RecordNotAccepted(NotAccepted::TooManyConnections, start + seconds{1}), 0U);
  EXPECT_EQ(metrics.RecordNotAccepted(NotAccepted::OwnerNotAllowed, start + seconds{1}), 1U) << "another matter";
  EXPECT_EQ(metrics.RecordNotAccepted(NotAccepted::TooManyConnections, start + seconds{11}), 2U);
  auto const text = metrics.Text({}, 0, {});
  for (auto const* const row : {"too_many_connections\"} 3\n", "owner_not_allowed\"} 1\n", "nothing_left\"} 0\n"}) {
    EXPECT_THAT(text, testing::HasSubstr(std::string{"mtlspop_connections_not_accepted_total{reason=\""} + row));
  }
}

}  // namespace
}  // namespace mtlspop::gateway
