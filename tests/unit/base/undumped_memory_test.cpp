#include "mtlspop/base/undumped_memory.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "support/in_child.hpp"

namespace mtlspop::test {
namespace {

/// Whether the byte at `memory` would be in a core file of this process.
bool IsDumped(void const* memory) {
  auto const address = reinterpret_cast<std::uintptr_t>(memory);
  bool isHere = false;
  std::ifstream maps{"/proc/self/smaps"};
  for (std::string line; std::getline(maps, line);) {
    if (isHere && line.compare(0, 8, "VmFlags:") == 0) return line.find(" dd") == std::string::npos;
    if (line.find('-') >= line.find(' ')) continue;
    std::size_t used = 0;
    auto const begin = std::stoull(line, &used, 16);
    isHere = begin <= address && address < std::stoull(line.substr(used + 1), nullptr, 16);
  }
  ADD_FAILURE() << "nothing is mapped there";
  return true;
}

TEST(AttackUndumpedMemoryTest, IsInNoCoreFile) {
  char const local = 'x';
  EXPECT_TRUE(IsDumped(&local)) << "the test can tell";
  for (std::size_t const size :
       {std::size_t{1}, std::size_t{64}, std::size_t{1800}, std::size_t{8192}, std::size_t{8193},
        std::size_t{1'000'000}}) {
    auto* const memory = static_cast<char*>(AllocateUndumped(size));
    EXPECT_FALSE(IsDumped(memory)) << size;
    EXPECT_FALSE(IsDumped(memory + size - 1)) << size;
    FreeUndumped(memory, size);
  }
}

TEST(UndumpedMemoryTest, BlocksAreApartAndUsedAgain) {
  constexpr std::size_t size = 1800;
  std::vector<char*> blocks;
  for (int index = 0; index < 200; ++index) {
    blocks.push_back(static_cast<char*>(AllocateUndumped(size)));
    std::memset(blocks.back(), index, size);
  }
  for (int index = 0; index < 200; ++index) {
    auto const* const block = blocks[static_cast<std::size_t>(index)];
    EXPECT_EQ(std::count(block, block + size, static_cast<char>(index)), static_cast<std::ptrdiff_t>(size));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % alignof(std::max_align_t), 0U);
  }
  for (auto* const block : blocks) FreeUndumped(block, size);
  auto* const again = static_cast<char*>(AllocateUndumped(size));
  EXPECT_EQ(again, blocks.back());
  FreeUndumped(again, size);
}

TEST(UndumpedMemoryTest, WhatCannotBeHadIsRefused) {
  EXPECT_THROW(AllocateUndumped(SIZE_MAX), std::bad_alloc);
  EXPECT_THROW(AllocateUndumped(SIZE_MAX / 2), std::bad_alloc);
}

/// A child frees what it has of its parent's, and allocates while its parent's lock may be held for ever.
TEST(UndumpedMemoryTest, AChildOfForkWaitsForNobody) {
  bool stop = false;
  std::thread busy{[&stop] {
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) FreeUndumped(AllocateUndumped(100), 100);
  }};
  for (int round = 0; round < 20; ++round) {
    void* const parents = AllocateUndumped(100);
    EXPECT_TRUE(InChild([parents] {
      FreeUndumped(parents, 100);
      void* const own = AllocateUndumped(100);
      bool const good = !IsDumped(own);
      FreeUndumped(own, 100);
      return good;
    }));
    FreeUndumped(parents, 100);
  }
  __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
  busy.join();
}

}  // namespace
}  // namespace mtlspop::test
