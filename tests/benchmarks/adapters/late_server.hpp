#pragma once

/// @file
/// A server that takes its time, for requests in flight by the thousand. A program of its own, so that its memory and its
/// threads are not those that are measured.

#include <string>
#include <vector>

namespace mtlspop::bench {

/// Where the mode of the program that is one begins: `--late-server PORT CA CERTIFICATE PRIVATE_KEY MILLISECONDS`.
inline constexpr char const* LateServerMode = "--late-server";

/// Serves until it is ended: asks for the client's certificate in the handshake, and answers each request with 200 and a short
/// body after that time. Keeps connections.
int RunLateServer(std::vector<std::string> const& arguments);

}  // namespace mtlspop::bench
