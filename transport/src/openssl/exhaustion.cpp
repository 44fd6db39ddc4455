#include "openssl/exhaustion.hpp"

#include <cerrno>
#include <system_error>
#include <utility>

#include <sys/eventfd.h>

#include "mtlspop/transport/error.hpp"
#include "openssl/socket.hpp"

namespace mtlspop::openssl {

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

}  // namespace mtlspop::openssl
