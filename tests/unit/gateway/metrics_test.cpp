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

}  // namespace
}  // namespace mtlspop::gateway
