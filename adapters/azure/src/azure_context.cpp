#include "azure_context.hpp"

#include <chrono>

namespace mtlspop::azure {

namespace {

// Farther away, and it is no deadline; far from overflow in any unit.
constexpr std::chrono::hours LongestTimeout{24 * 365 * 10};

}  // namespace

mtlspop::Context FromAzure(Azure::Core::Context const& context) {
  auto const probed = mtlspop::Context{}.WithCancellationProbe([context] { return context.IsCancelled(); });
  auto const deadline = context.GetDeadline();
  // In Azure's own type: it reaches from the year 1 to 9999, which the system's clock does not.
  auto const left = deadline - Azure::DateTime{std::chrono::system_clock::now()};
  if (left > LongestTimeout) return probed;
  if (left < Azure::DateTime::duration::zero()) return probed.WithTimeout({});
  return probed.WithTimeout(std::chrono::duration_cast<mtlspop::Context::Clock::duration>(left));
}

mtlspop::Context WithLimit(mtlspop::Context context, std::chrono::milliseconds limit) {
  return limit.count() > 0 ? context.WithTimeout(limit) : context;
}

}  // namespace mtlspop::azure
