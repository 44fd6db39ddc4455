// Serves one connection from handshake to end.
#pragma once

#include <cstdint>
#include <string>

#include "openssl_types.hpp"

namespace mtlspop_emulator {

class ConnectionRegistry;
class Faults;
class Service;
class Statistics;
class WireLog;
struct Options;

// What all connections of a run share. The objects outlive every connection.
struct Common {
  Options const& Settings;
  WireLog& Log;
  Statistics& Counters;
  Faults& Armed;
  ConnectionRegistry& Connections;
};

// A listener's side of it.
struct Site {
  std::string Name;
  Service& Behind;
  SSL_CTX* Tls;  // Null for plain http.
};

// Returns when the connection is over; leaves the socket open.
void ServeConnection(int socket, std::uint32_t number, Site const& site, Common const& common);

}  // namespace mtlspop_emulator
