#include "loopback_server.hpp"

#include <array>
#include <stdexcept>
#include <utility>

namespace mtlspop::windows_tests {
namespace {

sockaddr_in Loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

}  // namespace

LoopbackServer::LoopbackServer(std::string answer) : answer_(std::move(answer)) {
  WSADATA data{};
  auto address = Loopback(0);
  int bytes = sizeof address;
  bool const isListening = WSAStartup(MAKEWORD(2, 2), &data) == 0 &&
                           (listener_ = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP)) != INVALID_SOCKET &&
                           bind(listener_, reinterpret_cast<sockaddr*>(&address), bytes) == 0 &&
                           listen(listener_, SOMAXCONN) == 0 &&
                           getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &bytes) == 0;
  if (!isListening) {
    throw std::runtime_error{"no server on loopback: Winsock says " + std::to_string(WSAGetLastError())};
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread{[this] { Run(); }};
}

LoopbackServer::~LoopbackServer() {
  isEnding_ = true;
  // Lets go of whoever waits in accept.
  auto const address = Loopback(port_);
  auto const last = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
  connect(last, reinterpret_cast<sockaddr const*>(&address), sizeof address);
  thread_.join();
  closesocket(last);
  closesocket(listener_);
  WSACleanup();
}

std::vector<std::string> LoopbackServer::Heads() const {
  std::lock_guard<std::mutex> const lock{mutex_};
  return heads_;
}

void LoopbackServer::Run() {
  for (;;) {
    auto const connection = accept(listener_, nullptr, nullptr);
    if (connection == INVALID_SOCKET || isEnding_) {
      closesocket(connection);
      return;
    }
    Serve(connection);
    closesocket(connection);
  }
}

void LoopbackServer::Serve(SOCKET connection) {
  std::string head;
  std::array<char, 4096> piece{};
  while (head.find("\r\n\r\n") == std::string::npos) {
    auto const count = recv(connection, piece.data(), static_cast<int>(piece.size()), 0);
    if (count <= 0) {
      return;
    }
    head.append(piece.data(), static_cast<std::size_t>(count));
  }
  {
    std::lock_guard<std::mutex> const lock{mutex_};
    heads_.push_back(std::move(head));
  }
  send(connection, answer_.data(), static_cast<int>(answer_.size()), 0);
  shutdown(connection, SD_SEND);
}

}  // namespace mtlspop::windows_tests
