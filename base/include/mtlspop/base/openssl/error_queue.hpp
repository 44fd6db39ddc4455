#pragma once

/// @file
/// What OpenSSL has to say of a failure.

#include <string>
#include <vector>

namespace mtlspop::openssl {

/// An entry of the queue of errors of this thread.
struct QueuedError {
  unsigned long Code;
  /// Where it happened.
  std::string Function;
  /// A text of its own, "" where it has none. It may name files.
  std::string Data;
};

/// The queue of this thread, which is emptied. The oldest entry is the cause, the ones behind it say where it went through.
std::vector<QueuedError> TakeErrorQueue();

/// The fixed text of the oldest entry that has one: no data of the call is in it.
std::string ReasonOf(std::vector<QueuedError> const& queue);

/// Whether memory was short, at whatever depth. Whatever else the queue says is then a consequence.
bool SaysOutOfMemory(std::vector<QueuedError> const& queue) noexcept;

/// Whether OpenSSL came to no end by itself and does not say why: the oldest entry is of something inner. Most likely memory
/// was short, which it does not always say.
bool SaysOwnFailure(std::vector<QueuedError> const& queue) noexcept;

/// Empties the queue of this thread. To be called where OpenSSL failed, before that is called somebody's fault; whoever does
/// has emptied the queue before OpenSSL began, since what others leave there would be taken for it.
/// @throw std::bad_alloc where the queue says that memory was short
void RequireMemory();

}  // namespace mtlspop::openssl
