#pragma once

/// @file
/// Asynchronous requests on threads of the application's own. Not on Windows.

#include <cstddef>
#include <memory>

#include "mtlspop/export.hpp"
#include "mtlspop/transport/executor.hpp"

namespace boost::asio {
class io_context;
}

namespace mtlspop::openssl {

class Reactor;

/// What one thread of a server or proxy waits with: for its own sockets and, on the same thread, for the requests that it begins
/// there. So no other thread is woken for them, which costs more than all else that a small request needs. What is begun on other
/// threads is waited for on threads of the library, as everything is without an `EventLoop`.
///
/// For that the transport's completions have to come to the loop (`MakeExecutor`): what they begin next is begun there again. The
/// thread also does what the library's do: it sends, receives and encrypts. Nothing on it may wait, least of all for one of
/// its own requests; a key that is not in memory signs elsewhere.
///
/// @code
/// mtlspop::openssl::EventLoop loop;
/// mtlspop::TransportOptions options;
/// options.Callbacks = loop.MakeExecutor();
/// auto const transport = mtlspop::MakeHttpTransport(options);
/// boost::asio::post(loop.Io(), [&] {
///   transport->SendAsync(request, binding, context, [&](mtlspop::Outcome<std::unique_ptr<mtlspop::Response>> outcome) {
///     loop.Stop();
///     try {
///       std::cout << std::move(outcome).Take()->StatusCode << '\n';
///     } catch (mtlspop::Error const& error) {
///       std::cerr << error.what() << '\n';
///     }
///   });
/// });
/// loop.Run();
/// @endcode
///
/// Between the end of `Run` and this object's nothing happens to its requests, not even the end of their time. A child of fork() has
/// no use for its parent's: there `Run` returns at once, and a loop is made anew.
///
/// Thread safety: `Run` on one thread at a time; the rest may be called from any thread at any time.
class MTLSPOP_EXPORT EventLoop final {
 public:
  /// @throw Error `system_failure` where the system has no descriptors for it
  EventLoop();
  /// Must not run any more; end what else uses `Io` before, whose handlers may be run, destroyed or kept until then. Requests that
  /// are under way, and tasks given to its executor, go on on a thread of the library; where the system has none to give, nobody
  /// hears of them again.
  ~EventLoop();
  EventLoop(EventLoop const&) = delete;
  EventLoop& operator=(EventLoop const&) = delete;

  /// What to wait with (boost/asio/io_context.hpp, of the version of Boost that the library was built with). Its handlers run where
  /// `Run` does, one at a time. Not to be run, polled or told of a fork() by itself. Valid for as long as this object lives.
  boost::asio::io_context& Io() noexcept;

  /// Runs tasks on this loop, after whatever runs there; once this object is gone, as `DefaultExecutor()`. For
  /// `TransportOptions::Callbacks`. It keeps nothing alive, and loses nothing where there is no memory.
  Executor MakeExecutor() const;

  /// Waits, on the calling thread, until `Stop`, also while there is nothing to wait for; not at all where that was called before.
  /// May be called again afterwards.
  /// @throw what a handler throws; may be called again then too
  void Run();
  /// Has `Run` return after what it is doing. Before the process ends, at the latest.
  void Stop() noexcept;

  /// Whether the calling thread is the one that runs this.
  bool IsHere() const noexcept;
  /// How many requests are under way on it.
  std::size_t Requests() const noexcept;

 private:
  std::shared_ptr<Reactor> const reactor_;
};

}  // namespace mtlspop::openssl
