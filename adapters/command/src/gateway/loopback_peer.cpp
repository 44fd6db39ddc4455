#include "gateway/loopback_peer.hpp"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "mtlspop/base/posix/descriptor.hpp"

namespace mtlspop::gateway {
namespace {

std::string Hexadecimal(std::uint32_t number, char const* format) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), format, number);
  return text.data();
}

/// As these tables have it: the address as the number that it is in memory.
std::string PlaceInTable(sockaddr_in const& place) {
  return Hexadecimal(place.sin_addr.s_addr, "%08X") + ":" + Hexadecimal(ntohs(place.sin_port), "%04X");
}

/// Of a socket of IPv6 that speaks IPv4, as those of many languages' libraries do.
std::string MappedPlaceInTable(sockaddr_in const& place) {
  return "0000000000000000" + Hexadecimal(htonl(0xffff), "%08X") + PlaceInTable(place);
}

std::vector<std::string_view> ColumnsOf(std::string_view line) {
  std::vector<std::string_view> columns;
  for (;;) {
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    if (line.empty()) return columns;
    auto const end = std::min(line.find(' '), line.size());
    columns.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

template <typename Number>
bool Read(std::string_view text, Number& number) noexcept {
  auto const [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  return problem == std::errc{} && end == text.data() + text.size();
}

std::optional<SocketOwner> LookUpOwner(sockaddr_in const& local, sockaddr_in const& remote) {
  if (auto owner = AskForOwner(local, remote)) return owner;
  for (auto const* const path : {"/proc/self/net/tcp", "/proc/self/net/tcp6"}) {
    std::ifstream table{path};
    if (auto owner = FindOwner(table, local, remote)) return owner;
  }
  return std::nullopt;
}

}  // namespace

bool IsLoopbackPeerAllowed(int socket) noexcept {
  sockaddr_in own{};
  sockaddr_in peer{};
  socklen_t ownLength = sizeof own;
  socklen_t peerLength = sizeof peer;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&own), &ownLength) != 0 || own.sin_family != AF_INET ||
      ::getpeername(socket, reinterpret_cast<sockaddr*>(&peer), &peerLength) != 0 || peer.sin_family != AF_INET) {
    return false;
  }
  try {
    auto const owner = LookUpOwner(peer, own);
    return owner && owner->Inode != 0 && (owner->User == ::geteuid() || owner->User == 0);
  } catch (std::exception const&) {
    return false;
  }
}

std::optional<SocketOwner> AskForOwner(sockaddr_in const& local, sockaddr_in const& remote) noexcept {
  Descriptor const netlink{::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG)};
  if (!netlink.IsOpen()) return std::nullopt;
  struct {
    nlmsghdr Header;
    inet_diag_req_v2 Question;
  } message{};
  message.Header.nlmsg_len = sizeof message;
  message.Header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  message.Header.nlmsg_flags = NLM_F_REQUEST;
  auto& question = message.Question;
  question.sdiag_family = AF_INET;
  question.sdiag_protocol = IPPROTO_TCP;
  question.idiag_states = ~0U;
  question.id.idiag_sport = local.sin_port;
  question.id.idiag_src[0] = local.sin_addr.s_addr;
  question.id.idiag_dport = remote.sin_port;
  question.id.idiag_dst[0] = remote.sin_addr.s_addr;
  question.id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
  question.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  if (::send(netlink.Get(), &message, sizeof message, 0) != static_cast<ssize_t>(sizeof message)) return std::nullopt;

  // The answer is there when the question was sent.
  std::array<char, 1024> room{};
  auto const count = ::recv(netlink.Get(), room.data(), room.size(), MSG_DONTWAIT);
  nlmsghdr header{};
  inet_diag_msg answer{};
  if (count < static_cast<ssize_t>(NLMSG_LENGTH(sizeof answer))) return std::nullopt;
  std::memcpy(&header, room.data(), sizeof header);
  std::memcpy(&answer, room.data() + NLMSG_HDRLEN, sizeof answer);
  // Where there is no such connection the kernel names who listens on the port, if somebody does.
  if (header.nlmsg_type != SOCK_DIAG_BY_FAMILY || answer.id.idiag_dport != remote.sin_port) return std::nullopt;
  return SocketOwner{answer.idiag_uid, answer.idiag_inode};
}

std::optional<SocketOwner> FindOwner(std::istream& table, sockaddr_in const& local, sockaddr_in const& remote) {
  auto const ends = PlaceInTable(local) + ' ' + PlaceInTable(remote);
  auto const mappedEnds = MappedPlaceInTable(local) + ' ' + MappedPlaceInTable(remote);
  for (std::string line; std::getline(table, line);) {
    // Number, local and remote place, state, queues, timer, retransmissions, user, time-out, inode.
    auto const columns = ColumnsOf(line);
    if (columns.size() < 10) continue;
    auto const found = std::string{columns[1]}.append(" ").append(columns[2]);
    if (found != ends && found != mappedEnds) continue;
    SocketOwner owner;
    if (Read(columns[7], owner.User) && Read(columns[9], owner.Inode)) return owner;
  }
  return std::nullopt;
}

}  // namespace mtlspop::gateway
