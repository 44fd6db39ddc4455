#include "schannel/connection_view.hpp"

#include <ws2tcpip.h>

namespace mtlspop::schannel {
namespace {

template <class Value>
void Append(std::string& bytes, Value const& value) {
  bytes.append(reinterpret_cast<char const*>(&value), sizeof value);
}

/// Family, port and address, and nothing of what else a SOCKADDR_STORAGE has room for; empty where it holds none.
std::string EndpointOf(SOCKADDR_STORAGE const& storage) {
  std::string endpoint;
  if (storage.ss_family == AF_INET) {
    auto const& address = reinterpret_cast<sockaddr_in const&>(storage);
    Append(endpoint, address.sin_family);
    Append(endpoint, address.sin_port);
    Append(endpoint, address.sin_addr);
  } else if (storage.ss_family == AF_INET6) {
    auto const& address = reinterpret_cast<sockaddr_in6 const&>(storage);
    Append(endpoint, address.sin6_family);
    Append(endpoint, address.sin6_port);
    Append(endpoint, address.sin6_addr);
  }
  return endpoint;
}

}  // namespace

ConnectionView ViewConnection(WinHttpFunctions& functions, HINTERNET request, bool isHttps, bool mayMeetProxy) {
  ConnectionView view;
  WINHTTP_CONNECTION_INFO info{};
  info.cbSize = sizeof info;
  DWORD bytes = sizeof info;
  if (functions.QueryOption(request, WINHTTP_OPTION_CONNECTION_INFO, &info, &bytes)) {
    view.LocalEndpoint = EndpointOf(info.LocalAddress);
    view.RemoteEndpoint = mayMeetProxy ? std::string{} : EndpointOf(info.RemoteAddress);
  }
  PCCERT_CONTEXT server = nullptr;
  bytes = sizeof server;
  if (functions.QueryOption(request, WINHTTP_OPTION_SERVER_CERT_CONTEXT, &server, &bytes)) {
    view.Server.reset(server);
  } else {
    view.IsTunnelPending = isHttps && mayMeetProxy && functions.LastError() == ERROR_WINHTTP_INCORRECT_HANDLE_STATE;
  }
  return view;
}

}  // namespace mtlspop::schannel
