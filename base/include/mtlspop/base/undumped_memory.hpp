#pragma once

/// @file
/// Memory that stays out of core files.

#include <cstddef>

namespace mtlspop {

/// `size` bytes in pages that the system leaves out of core files (`MADV_DONTDUMP`), where it can: elsewhere ordinary
/// memory. Never given back to the system but for large pieces, so that the pages stay few and together. Aligned as memory
/// of `operator new` is; owned by the caller, to be freed with `FreeUndumped`.
///
/// Thread safety: any thread, also in a child of fork(), which may free what its parent had.
/// @throw std::bad_alloc
void* AllocateUndumped(std::size_t size);

/// Frees what `AllocateUndumped(size)` returned. The caller has overwritten what nobody may see.
void FreeUndumped(void* memory, std::size_t size) noexcept;

/// Pages straight from the system, left out of core files where it can; null where there are none. For the above.
/// @param size a multiple of 64 KiB
void* MapUndumped(std::size_t size) noexcept;
void UnmapUndumped(void* memory, std::size_t size) noexcept;

}  // namespace mtlspop
