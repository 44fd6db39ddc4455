/// @file
/// How many blocks the command's allocator keeps for a thread.

#include <jemalloc/jemalloc.h>

// The option is one of 5.3; an earlier version would say at each start that it does not know it.
#if JEMALLOC_VERSION_MAJOR > 5 || (JEMALLOC_VERSION_MAJOR == 5 && JEMALLOC_VERSION_MINOR >= 3)

// Read at the start, before the variable MALLOC_CONF. By itself jemalloc keeps twenty to some sixty blocks of most sizes; the requests
// that 64 connections have under way take and give back more at once. Two hundred is its own upper bound.
extern "C" {
[[gnu::visibility("default")]] char const* malloc_conf = "tcache_nslots_small_min:200";
}

#endif
