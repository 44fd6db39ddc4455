#include "gateway/plain_connection.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

namespace mtlspop::bench {
namespace {

[[noreturn]] void Fail(std::string const& what) { throw std::runtime_error("plain client: " + what); }

Descriptor ConnectTo(int family, sockaddr const* address, socklen_t length) {
  Descriptor socket{::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  if (!socket.IsOpen() || ::connect(socket.Get(), address, length) != 0) {
    Fail(std::string{"no connection: "} + std::strerror(errno));
  }
  return socket;
}

}  // namespace

Descriptor Connect(Place const& place) {
  if (!place.SocketPath.empty()) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    place.SocketPath.copy(address.sun_path, sizeof address.sun_path - 1);
    return ConnectTo(AF_UNIX, reinterpret_cast<sockaddr const*>(&address), sizeof address);
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(place.Port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto socket = ConnectTo(AF_INET, reinterpret_cast<sockaddr const*>(&address), sizeof address);
  int const on = 1;
  ::setsockopt(socket.Get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return socket;
}

bool AnswerReader::Take(char const* bytes, std::size_t count) {
  if (status_ == 0) {
    head_.append(bytes, count);
    auto const end = head_.find("\r\n\r\n");
    if (end == std::string::npos) return false;
    status_ = std::atoi(head_.c_str() + std::min(head_.size(), std::size_t{9}));
    auto const field = head_.find("\r\nContent-Length: ");
    bool const hasLength = field != std::string::npos && field < end;
    if (!hasLength && status_ != 204) Fail("an answer without a length: " + head_.substr(0, end));
    length_ = hasLength ? std::strtoull(head_.c_str() + field + 18, nullptr, 10) : 0;
    left_ = length_;
    count = head_.size() - end - 4;
    head_.resize(end);
  }
  if (count > left_) Fail("more than one answer");
  left_ -= count;
  return left_ == 0;
}

void AnswerReader::Reset() {
  head_.clear();
  status_ = 0;
}

std::uint64_t PlainConnection::Exchange(std::string const& request) {
  WriteAll(request.data(), request.size());
  return ReadAnswer();
}

void PlainConnection::WriteAll(char const* bytes, std::size_t count) {
  while (count != 0) {
    auto const sent = ::send(socket_.Get(), bytes, count, MSG_NOSIGNAL);
    if (sent <= 0) Fail(std::string{"cannot send: "} + std::strerror(errno));
    bytes += sent;
    count -= static_cast<std::size_t>(sent);
  }
}

std::uint64_t PlainConnection::ReadAnswer() {
  static thread_local std::array<char, std::size_t{64} * 1024> buffer;
  AnswerReader reader;
  for (;;) {
    auto const count = ::recv(socket_.Get(), buffer.data(), buffer.size(), 0);
    if (count <= 0) Fail("the answer breaks off");
    if (!reader.Take(buffer.data(), static_cast<std::size_t>(count))) continue;
    if (reader.Status() / 100 != 2) Fail("not a success: " + reader.Head());
    return reader.BodyBytes();
  }
}

std::string PlainRequest(std::string const& path, std::string const& host) {
  return "GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n";
}

}  // namespace mtlspop::bench
