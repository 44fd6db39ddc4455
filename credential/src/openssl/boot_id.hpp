#pragma once

#include <string>

namespace mtlspop {

/// Names this machine from one start of it to the next, the same in all of its containers; "" where the system has no such name
/// (Linux has).
std::string BootId();

}  // namespace mtlspop
