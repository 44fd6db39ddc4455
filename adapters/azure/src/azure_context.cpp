#include "azure_context.hpp"

#include <chrono>

namespace mtlspop::azure {

mtlspop::Context FromAzure(Azure::Core::Context const& context) {
  auto const probed = mtlspop::Context{}.WithCancellationProbe([context] { return context.IsCancelled(); });
  auto const deadline = context.GetDeadline();
  // A cancelled context has the earliest deadline there is, one without a deadline the latest: neither is a time.
  if (deadline == (Azure::DateTime::max)() || deadline == (Azure::DateTime::min)()) return probed;
  auto const left = std::chrono::system_clock::time_point{deadline} - std::chrono::system_clock::now();
  return probed.WithTimeout(std::chrono::duration_cast<mtlspop::Context::Clock::duration>(left));
}

}  // namespace mtlspop::azure
