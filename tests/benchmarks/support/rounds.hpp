#pragma once

/// @file
/// Contenders that take turns.

#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "support/report.hpp"

namespace mtlspop::bench {

/// Runs its share of a round: a number of requests.
struct Contender {
  std::string Name;
  std::function<void()> Run;
};

/// Seconds of each round, a row for each contender.
using RoundTimes = std::vector<std::vector<double>>;

/// One round to warm up and then `rounds` more in which the contenders take turns, each time beginning with another, so
/// that drift of the machine meets all alike.
inline RoundTimes TakeTurns(std::vector<Contender> const& contenders, int rounds) {
  RoundTimes times(contenders.size());
  for (int round = -1; round < rounds; ++round) {
    for (std::size_t turn = 0; turn < contenders.size(); ++turn) {
      auto const index = (turn + static_cast<std::size_t>(round + 1)) % contenders.size();
      auto const begin = std::chrono::steady_clock::now();
      contenders[index].Run();
      std::chrono::duration<double> const took = std::chrono::steady_clock::now() - begin;
      if (round >= 0) {
        times[index].push_back(took.count());
      }
    }
  }
  return times;
}

/// The median of the ratios, pair by pair.
inline double MedianRatio(std::vector<double> const& numerator, std::vector<double> const& denominator) {
  std::vector<double> ratios;
  for (std::size_t round = 0; round < numerator.size(); ++round) {
    ratios.push_back(numerator[round] / denominator[round]);
  }
  return Median(ratios);
}

}  // namespace mtlspop::bench
