#include "gateway/load.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <stdexcept>
#include <utility>

namespace mtlspop::bench {
namespace {

/// Nothing that is measured here takes so long.
constexpr int PatienceMilliseconds = 60'000;
constexpr std::chrono::milliseconds Tick{20};

}  // namespace

std::uint64_t Tally::Total() const {
  auto total = Broken;
  for (auto const& [status, count] : Answered) total += count;
  return total;
}

std::uint64_t Tally::Succeeded() const {
  auto const found = Answered.find(200);
  return found == Answered.end() ? 0 : found->second;
}

Load::Load(Place place, std::string request, std::size_t connections)
    : place_(std::move(place)),
      request_(std::move(request)),
      poll_(::epoll_create1(EPOLL_CLOEXEC)),
      connections_(connections) {}

void Load::Send(Connection& connection) {
  if (!connection.Socket.IsOpen()) {
    connection.Socket = Connect(place_);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &connection;
    ::epoll_ctl(poll_.Get(), EPOLL_CTL_ADD, connection.Socket.Get(), &event);
  }
  connection.Reader.Reset();
  connection.IsWaiting = true;
  // Short, and the connection is empty: it goes out whole, or the connection is gone, which the next read sees.
  static_cast<void>(!::send(connection.Socket.Get(), request_.data(), request_.size(), MSG_NOSIGNAL));
}

void Load::Receive(Connection& connection, Tally& tally) {
  std::array<char, 16 * 1024> buffer;
  auto const count = ::recv(connection.Socket.Get(), buffer.data(), buffer.size(), 0);
  if (count <= 0) {
    if (connection.IsWaiting) ++tally.Broken;
    connection.IsWaiting = false;
    connection.Socket = Descriptor{};
    return;
  }
  if (connection.Reader.Take(buffer.data(), static_cast<std::size_t>(count))) {
    ++tally.Answered[connection.Reader.Status()];
    connection.IsWaiting = false;
  }
}

Tally Load::Run(std::uint64_t requests, std::function<void()> const& tick) {
  Tally tally;
  std::uint64_t sent = 0;
  for (auto& connection : connections_) {
    if (sent == requests) break;
    Send(connection);
    ++sent;
  }
  std::array<epoll_event, 64> events;
  auto nextTick = std::chrono::steady_clock::now() + Tick;
  while (tally.Total() < requests) {
    auto const count = ::epoll_wait(poll_.Get(), events.data(), static_cast<int>(events.size()), PatienceMilliseconds);
    if (count <= 0) throw std::runtime_error("requests are lost: nothing happens any more");
    for (int index = 0; index < count; ++index) {
      auto& connection = *static_cast<Connection*>(events[static_cast<std::size_t>(index)].data.ptr);
      Receive(connection, tally);
      if (connection.IsWaiting || sent == requests) continue;
      Send(connection);
      ++sent;
    }
    if (tick && std::chrono::steady_clock::now() >= nextTick) {
      tick();
      nextTick = std::chrono::steady_clock::now() + Tick;
    }
  }
  return tally;
}

}  // namespace mtlspop::bench
