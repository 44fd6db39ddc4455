#include "counters.hpp"

#include <dlfcn.h>
#include <pthread.h>

#include <cstdlib>
#include <new>

namespace mtlspop::bench {
namespace {

thread_local ThreadCounters counters;

template <typename Function>
Function Next(char const* name) noexcept {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

void* Allocate(std::size_t size) {
  ++counters.Allocations;
  if (void* const memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc{};
}

void* AllocateAligned(std::size_t size, std::align_val_t alignment) {
  ++counters.Allocations;
  auto const boundary = static_cast<std::size_t>(alignment);
  if (void* const memory = std::aligned_alloc(boundary, (size + boundary - 1) / boundary * boundary)) return memory;
  throw std::bad_alloc{};
}

}  // namespace

ThreadCounters CountersOfThisThread() noexcept { return counters; }

}  // namespace mtlspop::bench

void* operator new(std::size_t size) { return mtlspop::bench::Allocate(size); }
void* operator new[](std::size_t size) { return mtlspop::bench::Allocate(size); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return mtlspop::bench::AllocateAligned(size, alignment);
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
  return mtlspop::bench::AllocateAligned(size, alignment);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

// The program's own definitions come before the C library's, for shared libraries too.
extern "C" {

int pthread_mutex_lock(pthread_mutex_t* mutex) {
  static auto const next = mtlspop::bench::Next<int (*)(pthread_mutex_t*)>("pthread_mutex_lock");
  ++mtlspop::bench::counters.ExclusiveLocks;
  return next(mutex);
}

int pthread_rwlock_wrlock(pthread_rwlock_t* lock) {
  static auto const next = mtlspop::bench::Next<int (*)(pthread_rwlock_t*)>("pthread_rwlock_wrlock");
  ++mtlspop::bench::counters.ExclusiveLocks;
  return next(lock);
}

int pthread_rwlock_rdlock(pthread_rwlock_t* lock) {
  static auto const next = mtlspop::bench::Next<int (*)(pthread_rwlock_t*)>("pthread_rwlock_rdlock");
  ++mtlspop::bench::counters.SharedLocks;
  return next(lock);
}
}
