#include "mtlspop/base/random_numbers.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <limits>
#include <random>

#include "mtlspop/base/fork_epoch.hpp"
#include "mtlspop/base/random_bytes.hpp"

namespace mtlspop {
namespace {

/// What differs from call to call, and most often from process to process, well mixed (Steele, Lea, Flood: SplitMix).
std::uint32_t MadeUpBits() noexcept {
  static std::atomic<std::uint64_t> calls{0};
  auto mixed = static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
  mixed ^= static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count()) << 20U;
  mixed += ++calls * 0x9E3779B97F4A7C15U;
  mixed = (mixed ^ mixed >> 30U) * 0xBF58476D1CE4E5B9U;
  mixed = (mixed ^ mixed >> 27U) * 0x94D049BB133111EBU;
  return static_cast<std::uint32_t>((mixed ^ mixed >> 31U) >> 16U);
}

/// A thread's, so that the system is asked once for many.
class Stock final {
 public:
  /// False where they are too many, or the system has none to give.
  bool Take(gsl::span<std::uint8_t> bytes) noexcept {
    if (bytes.size() > bytes_.size()) return false;
    // A child of fork() has its parent's.
    bool const isEnough = epoch_ == ForkEpoch() && left_ >= bytes.size();
    if (!isEnough) {
      if (!FillRandom(bytes_)) return false;
      epoch_ = ForkEpoch();
      left_ = bytes_.size();
    }
    left_ -= bytes.size();
    std::copy_n(bytes_.begin() + left_, bytes.size(), bytes.begin());
    return true;
  }

 private:
  std::array<std::uint8_t, 256> bytes_{};
  std::size_t left_ = 0;
  std::uint64_t epoch_ = 0;
};

struct Bits {
  using result_type = std::uint32_t;
  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }
  result_type operator()() const noexcept {
    std::array<std::uint8_t, sizeof(result_type)> bytes{};
    MakeRandom(bytes);
    result_type bits = 0;
    for (auto const byte : bytes) bits = bits << 8U | byte;
    return bits;
  }
};

}  // namespace

void MakeRandom(gsl::span<std::uint8_t> bytes) noexcept {
  static thread_local Stock stock;
  if (stock.Take(bytes) || FillRandom(bytes)) return;
  for (auto& byte : bytes) byte = static_cast<std::uint8_t>(MadeUpBits());
}

RandomNumbers SystemRandomNumbers() {
  return [] {
    Bits bits;
    return std::uniform_real_distribution<double>{}(bits);
  };
}

RandomNumbers RandomOr(RandomNumbers const& given) { return given ? given : SystemRandomNumbers(); }

}  // namespace mtlspop
