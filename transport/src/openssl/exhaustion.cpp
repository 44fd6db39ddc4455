#include "openssl/exhaustion.hpp"

#include <cerrno>
#include <exception>
#include <system_error>
#include <utility>

#include <sys/eventfd.h>

#include "mtlspop/transport/error.hpp"
#include "openssl/socket.hpp"

namespace mtlspop::openssl {
namespace {

std::exception_ptr MakeOutOfMemory() {
  ErrorDetails details{
      errors::SystemFailure, "There was no memory for the request",
      "Give the process more memory (ulimit -v, the cgroup's memory.max), or look for what takes it; the other side "
      "has "
      "no part in it"};
  details.Transient = true;
  return std::make_exception_ptr(Error{std::move(details)});
}

/// Before main(), while there is memory.
std::exception_ptr const outOfMemory = MakeOutOfMemory();

}  // namespace

bool IsExhaustion(int cause) noexcept {
  return cause == EMFILE || cause == ENFILE || cause == ENOMEM || cause == ENOBUFS || cause == EADDRNOTAVAIL;
}

int DescriptorShortage() noexcept {
  Descriptor const probe{::eventfd(0, EFD_CLOEXEC)};
  return probe.IsOpen() ? 0 : errno;
}

void ThrowExhausted(std::string const& what, int cause) {
  ErrorDetails details{
      errors::SystemFailure, what + ": " + std::system_category().message(cause),
      cause == EMFILE || cause == ENFILE
          ? "Raise the limit on open files (ulimit -n, LimitNOFILE=), or look for what the process leaves open; the "
            "network has no part in it"
          : "Look at the memory, the threads and the ports of this machine; the other side has no part in it"};
  details.NothingSent = true;
  details.Transient = true;
  throw Error{std::move(details)};
}

void ThrowOutOfMemory() { std::rethrow_exception(outOfMemory); }

}  // namespace mtlspop::openssl
