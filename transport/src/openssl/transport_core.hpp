#pragma once

/// @file
/// What a transport has, apart from its interface: it may be used by requests in flight when the transport has gone.

#include <memory>
#include <mutex>
#include <utility>

#include "mtlspop/base/per_process.hpp"
#include "mtlspop/transport/http_transport.hpp"
#include "openssl/connection_pool.hpp"
#include "openssl/off_reactors.hpp"
#include "openssl/reactor.hpp"
#include "openssl/route.hpp"
#include "openssl/tls_context.hpp"

namespace mtlspop::openssl {

/// What belongs to one process and is made anew in a forked child.
struct ProcessState {
  ProcessState(ProcessState* /*parents*/, TransportOptions const& options)
      : Contexts(options.Tls), Pool(MakeOffReactors<ConnectionPool>(options)) {}
  /// Closes the child's copies of the parent's sockets.
  void Abandon() noexcept { Pool->Disown(); }

  /// The reactors' threads stay as long as this does, once there was an asynchronous request.
  void HoldReactors() {
    std::call_once(hasReactors_, [this] { reactors_ = Reactors::Shared(); });
  }

  TlsContexts Contexts;
  std::shared_ptr<ConnectionPool> Pool;

 private:
  std::once_flag hasReactors_;
  std::shared_ptr<Reactors> reactors_;
};

/// Made with `MakeOffReactors`: it holds what is the application's.
///
/// Thread safety: any thread, at any time.
struct TransportCore {
  explicit TransportCore(TransportOptions options)
      : Options(std::move(options)),
        Callbacks(MakeOffReactors<Executor const>(Options.Callbacks)),
        Routes(Options),
        State(Options) {}

  TransportOptions const Options;
  /// For answers, which may outlive all else.
  std::shared_ptr<Executor const> const Callbacks;
  RouteTable const Routes;
  PerProcess<ProcessState, TransportOptions> const State;
};

}  // namespace mtlspop::openssl
