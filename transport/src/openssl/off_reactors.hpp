#pragma once

/// @file
/// What the application's own goes with when the last who holds it lets go.

#include <exception>
#include <memory>
#include <utility>

#include "mtlspop/transport/executor.hpp"
#include "openssl/reactor.hpp"

namespace mtlspop::openssl {

/// Destroys an object where it is, but on a reactor's thread: there it is left to `DefaultExecutor()`, which outlives all else.
struct DeleteOffReactors {
  template <typename Object>
  void operator()(Object* object) const noexcept {
    if (Reactor::IsOnOne()) {
      try {
        return DefaultExecutor()([object] { delete object; });
      } catch (std::exception const&) {  // NOLINT(bugprone-empty-catch): no memory to have it done elsewhere
      }
    }
    delete object;
  }
};

/// An object that holds something of the application's (a key, an observer, a clock), which may be slow to go or call this
/// library as it does. Whoever is the last to hold it may be a reactor.
template <typename Object, typename... Arguments>
std::shared_ptr<Object> MakeOffReactors(Arguments&&... arguments) {
  return std::shared_ptr<Object>{new Object(std::forward<Arguments>(arguments)...), DeleteOffReactors{}};
}

}  // namespace mtlspop::openssl
