#include "openssl/socket_registration.hpp"

#include "mtlspop/base/fork_epoch.hpp"
#include "openssl/reactor.hpp"

namespace mtlspop::openssl {

SocketRegistration::SocketRegistration(std::shared_ptr<Reactor> reactor, int descriptor)
    : held_(new Held{reactor, boost::asio::posix::stream_descriptor{reactor->Io()}}), epoch_(ForkEpoch()) {
  held_->Socket.assign(descriptor);
}

SocketRegistration::~SocketRegistration() {
  if (epoch_ == ForkEpoch()) {
    held_->Socket.release();
  } else {
    static_cast<void>(held_.release());
  }
}

}  // namespace mtlspop::openssl
