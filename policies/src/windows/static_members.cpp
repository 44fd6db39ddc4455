// The static members that headers define, once more: GCC exports them from a DLL only where they are defined out of their class
// too, and a program that takes their address looks for them there. Visual Studio needs none of this, and deprecates it.

#include "mtlspop/policies/bound_call.hpp"
#include "mtlspop/policies/client.hpp"
#include "mtlspop/policies/resource_memory.hpp"

namespace mtlspop {

constexpr std::size_t BoundCall::LookedAtBodyBytes;
constexpr std::chrono::milliseconds Client::DefaultTimeout;
constexpr std::size_t ResourceMemory::MaximumOrigins;

}  // namespace mtlspop
