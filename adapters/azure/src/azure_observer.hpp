#pragma once

namespace mtlspop::azure {

/// From the first call on, what the library tells reaches Azure's log (`Azure::Core::Diagnostics::Logger`) and the spans of
/// Azure's tracing, beside whoever else is told.
///
/// Thread safety: may be called at any time.
/// @throw std::bad_alloc
void FeedAzure();

}  // namespace mtlspop::azure
