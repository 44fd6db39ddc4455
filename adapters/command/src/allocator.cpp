/// @file
/// How many blocks the command's allocator keeps for a thread.

#include <jemalloc/jemalloc.h>

// The names are those of 5.3; an earlier one would say at each start that it does not know them.
#if JEMALLOC_VERSION_MAJOR > 5 || (JEMALLOC_VERSION_MAJOR == 5 && JEMALLOC_VERSION_MINOR >= 3)

// jemalloc(3): read at the start, before `MALLOC_CONF`. By itself it keeps twenty blocks of a size of over 1 KiB; the requests that
// 64 connections have under way take and give back more at once.
extern "C" {
[[gnu::visibility("default")]] char const* malloc_conf = "tcache_nslots_small_min:200,lg_tcache_nslots_mul:4";
}

#endif
