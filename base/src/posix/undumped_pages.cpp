#include <sys/mman.h>

#include "mtlspop/base/undumped_memory.hpp"

namespace mtlspop {

void* MapUndumped(std::size_t size) noexcept {
  void* const memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
#if defined(MADV_DONTDUMP)
  static_cast<void>(::madvise(memory, size, MADV_DONTDUMP));
#elif defined(MADV_NOCORE)
  static_cast<void>(::madvise(memory, size, MADV_NOCORE));
#endif
  return memory;
}

void UnmapUndumped(void* memory, std::size_t size) noexcept { ::munmap(memory, size); }

}  // namespace mtlspop
