#pragma once

/// @file
/// Counts what a thread allocates and which locks it takes, by standing in the way of both in this program.

#include <cstdint>

namespace mtlspop::bench {

/// Of the calling thread, since it started.
struct ThreadCounters {
  std::uint64_t Allocations = 0;
  /// Mutexes, and read-write locks taken for writing.
  std::uint64_t ExclusiveLocks = 0;
  std::uint64_t SharedLocks = 0;
};

ThreadCounters CountersOfThisThread() noexcept;

}  // namespace mtlspop::bench
