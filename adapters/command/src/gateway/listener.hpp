#pragma once

/// @file
/// Where clients connect.

#include <cstdint>
#include <memory>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>

#include "gateway/connection.hpp"
#include "gateway/connections.hpp"

namespace mtlspop::gateway {

/// Accepts connections on a loopback port and gives them to a site. There is no way to have it listen on another address.
///
/// Thread safety: all members may be called from any thread.
class LoopbackListener final : public std::enable_shared_from_this<LoopbackListener> {
 public:
  /// Bound, not yet listening.
  /// @param port 0 for any that is free
  /// @throw Error `system_failure` where the port cannot be had
  LoopbackListener(boost::asio::io_context& io, std::uint16_t port);

  std::uint16_t Port() const noexcept { return port_; }
  void Start(
      std::shared_ptr<Site> site,
      std::shared_ptr<ConnectionSettings const> settings,
      std::shared_ptr<Connections> connections);
  void Stop();

 private:
  void Accept();
  void AcceptLater();

  boost::asio::io_context& io_;
  boost::asio::strand<boost::asio::io_context::executor_type> strand_;
  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::steady_timer pause_;
  std::uint16_t port_ = 0;
  std::shared_ptr<Site> site_;
  std::shared_ptr<ConnectionSettings const> settings_;
  std::shared_ptr<Connections> connections_;
};

}  // namespace mtlspop::gateway
