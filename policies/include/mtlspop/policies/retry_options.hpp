#pragma once

/// @file
/// How often, after how long and after what a request is sent again.

#include <chrono>
#include <functional>
#include <vector>

namespace mtlspop {

/// How often, after how long and after what a request is sent again. Numbers out of range are refused
/// (`invalid_argument`) by whoever takes them.
struct RetryOptions {
  /// How often a request is sent again after the first time, or a token asked for again. 0 switches retries off; at most
  /// 100. One budget for the whole call, however many layers take part in it.
  int MaximumRetries = 3;
  /// The wait before the first retry, doubled for each one after it, then multiplied by a random factor from 0.8 to 1.2.
  std::chrono::milliseconds InitialDelay{800};
  /// The longest wait between two attempts, unless the other side asks for a longer one; shortened each time by a random
  /// factor from 0.8 to 1.
  std::chrono::milliseconds MaximumDelay{60'000};
  /// The longest wait that the other side can ask for (`Retry-After`). Where it asks for more, its answer is returned. Up
  /// to a quarter of what it asks for is waited on top, at random.
  std::chrono::milliseconds MaximumRetryAfter{120'000};
  /// Answers that are worth another try.
  std::vector<int> StatusCodes{408, 429, 500, 502, 503, 504};
  /// Numbers from 0 up to, not including, 1; called from any thread. Empty for the system's.
  std::function<double()> Random;
};

}  // namespace mtlspop
