#pragma once

#include <azure/core/context.hpp>

#include "mtlspop/transport/context.hpp"

namespace mtlspop::azure {

/// A context that ends when `context` does. Azure's can only be asked, so whoever waits asks it from time to time.
mtlspop::Context FromAzure(Azure::Core::Context const& context);

}  // namespace mtlspop::azure
