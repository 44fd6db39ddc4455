#include "gateway/loopback_peer.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "mtlspop/base/posix/descriptor.hpp"

namespace mtlspop::test {
namespace {

using gateway::AskForOwner;
using gateway::FindOwner;
using gateway::IsLoopbackPeerAllowed;

sockaddr_in Loopback() {
  sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return place;
}

/// A connection over loopback, with both its ends.
class Pair final {
 public:
  explicit Pair(int family = AF_INET) : client_(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    Descriptor const listener{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    auto place = Loopback();
    socklen_t length = sizeof place;
    EXPECT_EQ(::bind(listener.Get(), reinterpret_cast<sockaddr*>(&place), length), 0);
    EXPECT_EQ(::listen(listener.Get(), 1), 0);
    ::getsockname(listener.Get(), reinterpret_cast<sockaddr*>(&place), &length);
    if (family == AF_INET) {
      EXPECT_EQ(::connect(client_.Get(), reinterpret_cast<sockaddr*>(&place), sizeof place), 0);
    } else {
      sockaddr_in6 mapped{};
      mapped.sin6_family = AF_INET6;
      mapped.sin6_port = place.sin_port;
      mapped.sin6_addr.s6_addr[10] = mapped.sin6_addr.s6_addr[11] = 0xff;
      mapped.sin6_addr.s6_addr[12] = 127;
      mapped.sin6_addr.s6_addr[15] = 1;
      isConnected_ = ::connect(client_.Get(), reinterpret_cast<sockaddr*>(&mapped), sizeof mapped) == 0;
    }
    if (isConnected_) server_ = Descriptor{::accept(listener.Get(), nullptr, nullptr)};
  }

  bool IsConnected() const noexcept { return isConnected_; }
  int Server() const noexcept { return server_.Get(); }
  sockaddr_in Own() const { return NameOf(&::getsockname); }
  sockaddr_in Peer() const { return NameOf(&::getpeername); }
  void CloseClient() { client_ = Descriptor{}; }

 private:
  template <class Function>
  sockaddr_in NameOf(Function* name) const {
    sockaddr_in place{};
    socklen_t length = sizeof place;
    name(server_.Get(), reinterpret_cast<sockaddr*>(&place), &length);
    return place;
  }

  bool isConnected_ = true;
  Descriptor client_;
  Descriptor server_;
};

std::string Table(char const* name) {
  std::ifstream file{std::string{"/proc/self/net/"} + name};
  return {std::istreambuf_iterator<char>{file}, {}};
}

TEST(GatewayLoopbackPeer, IsKnownInBothWays) {
  Pair const pair;
  EXPECT_TRUE(IsLoopbackPeerAllowed(pair.Server()));
  std::istringstream table{Table("tcp")};
  auto const found = FindOwner(table, pair.Peer(), pair.Own());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->User, ::geteuid());
  EXPECT_NE(found->Inode, 0U);
  if (auto const asked = AskForOwner(pair.Peer(), pair.Own())) {
    EXPECT_EQ(asked->User, found->User);
    EXPECT_EQ(asked->Inode, found->Inode);
  }
}

TEST(GatewayLoopbackPeer, MayBeASocketOfIpv6) {
  Pair const pair{AF_INET6};
  if (!pair.IsConnected()) GTEST_SKIP() << "this machine has no IPv6";
  EXPECT_TRUE(IsLoopbackPeerAllowed(pair.Server()));
  std::istringstream table{Table("tcp6")};
  auto const found = FindOwner(table, pair.Peer(), pair.Own());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->User, ::geteuid());
}

// The kernel says root of a socket that nobody has open any more.
TEST(AttackGatewayLoopbackPeer, IsNobodyWhereItIsGone) {
  Pair pair;
  pair.CloseClient();
  EXPECT_FALSE(IsLoopbackPeerAllowed(pair.Server()));
  EXPECT_FALSE(IsLoopbackPeerAllowed(-1));
  int unixPair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, unixPair), 0);
  Descriptor const one{unixPair[0]};
  Descriptor const other{unixPair[1]};
  EXPECT_FALSE(IsLoopbackPeerAllowed(one.Get())) << "there is another way to tell";
}

TEST(AttackGatewayLoopbackPeer, IsNotTakenFromALineOfAnother) {
  auto local = Loopback();
  local.sin_port = htons(0x1234);
  auto remote = Loopback();
  remote.sin_port = htons(0x5678);
  std::istringstream table{
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
      "   0: 0100007F:5678 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0 100 0\n"
      "   1: 0100007F:5678 0100007F:1234 01 00000000:00000000 00:00000000 00000000     0        0 12 1 0 100 0\n"
      "   2: 0100007F:1234 0100007F:5678\n"
      "   3: 0100007F:1234 0100007F:5678 01 00000000:00000000 00:00000000 00000000  1000        0 13 1 0 100 0\n"};
  auto const found = FindOwner(table, local, remote);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->User, 1000U);
  EXPECT_EQ(found->Inode, 13U);
}

}  // namespace
}  // namespace mtlspop::test
