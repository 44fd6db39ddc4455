#include "schannel/proxy_answer.hpp"

#include <utility>

#include "mtlspop/transport/error.hpp"

namespace mtlspop::schannel {

void ThrowProxyAnswer(ProxyAnswer const& answer) {
  auto const proxy = answer.Proxy.empty() ? std::string{"The machine's proxy"} : "The proxy " + answer.Proxy;
  ErrorDetails details{
      errors::ProxyFailed,
      proxy + (answer.Status / 100 == 2 ? " answers in the place of " : " refuses a tunnel to ") + answer.Target +
          " with status " + std::to_string(answer.Status),
      "Check the proxy's rules, or put the host on NO_PROXY"};
  if (answer.Status == 407) {
    details.Code = errors::ProxyAuthenticationRequired;
    details.What = proxy + (answer.HasCredentials ? " refuses the credentials" : " wants credentials");
    details.Action =
        "Give a user name and a password for it, in ProxyOptions or in the proxy's URL; Basic is the one scheme "
        "supported";
  }
  details.HttpStatus = answer.Status;
  details.NothingSent = answer.NothingSent;
  throw Error{std::move(details)};
}

}  // namespace mtlspop::schannel
