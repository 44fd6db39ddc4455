#include <windows.h>

#include "mtlspop/base/undumped_memory.hpp"

namespace mtlspop {

// A dump that somebody asks for by name (a full one) has all memory whatever a process says, and the small ones that
// Windows makes by itself have none of the heap's.

void* MapUndumped(std::size_t size) noexcept {
  return ::VirtualAlloc(nullptr, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
}

void UnmapUndumped(void* memory, std::size_t /*size*/) noexcept { ::VirtualFree(memory, 0, MEM_RELEASE); }

}  // namespace mtlspop
