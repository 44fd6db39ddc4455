#pragma once

/// @file
/// Whether it is Windows at all.

namespace mtlspop::windows_tests {

/// Whether this is Wine.
bool IsWine();

}  // namespace mtlspop::windows_tests
