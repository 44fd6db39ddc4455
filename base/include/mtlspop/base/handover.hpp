#pragma once

/// @file
/// Tasks that need nothing any more when they are to run.

#include <functional>
#include <memory>

#include "mtlspop/base/bounded_pool.hpp"

namespace mtlspop {

/// Runs tasks on a pool of this library, and can be asked beforehand for all that a task will need.
class PoolExecutor final {
 public:
  /// @param pool finds this process's
  explicit PoolExecutor(BoundedPool& (*pool)()) noexcept : pool_(pool) {}

  /// @throw std::bad_alloc, unless `task` is a `Handover`'s
  void operator()(std::function<void()> task) const;
  BoundedPool& Pool() const { return pool_(); }

 private:
  BoundedPool& (*pool_)();
};

/// What will go on elsewhere, on an executor, once something has come: the end of an asynchronous operation above all. When
/// that comes there is nobody to be told that there was no memory to tell it with. So all that the executor is given is made
/// with this object, and where the executor is a `PoolExecutor` its place in the pool and a thread too.
///
/// Thread safety: `HandOver` is called once, on any thread.
class Handover {
 public:
  using Executor = std::function<void(std::function<void()>)>;

  virtual ~Handover() = default;
  Handover(Handover const&) = delete;
  Handover& operator=(Handover const&) = delete;

 protected:
  /// @throw std::bad_alloc, std::system_error where there is no thread at all
  explicit Handover(Executor const& executor);

  /// Has `Arrive` called. Allocates nothing.
  /// @param executor the one of the constructor; must not throw
  /// @param self this object, kept until then
  void HandOver(Executor const& executor, std::shared_ptr<Handover> self) noexcept;

 private:
  friend class PoolExecutor;

  /// On the executor. What it throws ends the process.
  virtual void Arrive() noexcept = 0;

  struct Call {
    std::shared_ptr<Handover> Of;
    void operator()() const { Of->Arrive(); }
  };

  BoundedPool::Place place_;
  std::function<void()> task_{Call{}};
  ThreadPool::Hold thread_;
};

}  // namespace mtlspop
