#pragma once

#include <chrono>

#include <azure/core/context.hpp>

#include "mtlspop/transport/context.hpp"

namespace mtlspop::azure {

/// A context that ends when `context` does. Azure's can only be asked, so whoever waits asks it from time to time.
mtlspop::Context FromAzure(Azure::Core::Context const& context);

/// `context`, ended after `limit` at the latest; 0 for no limit.
mtlspop::Context WithLimit(mtlspop::Context context, std::chrono::milliseconds limit);

}  // namespace mtlspop::azure
