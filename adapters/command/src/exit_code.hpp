#pragma once

/// @file
/// With which status the command ends. Numbers up to 99 mean what they mean for curl; docs/command.md has the table.

#include "mtlspop/transport/error.hpp"

namespace mtlspop::command {

enum class ExitCode {
  Success = 0,
  /// An option, argument or configuration file that cannot be used.
  Usage = 2,
  UrlMalformed = 3,
  /// The host's name, or the proxy's.
  HostNotResolved = 6,
  ConnectFailed = 7,
  /// An answer that is not HTTP/1.1.
  WeirdAnswer = 8,
  /// `--fail`, and the status is 400 or above.
  HttpStatus = 22,
  WriteFailed = 23,
  /// A file that was to be read, or standard input.
  ReadFailed = 26,
  TimedOut = 28,
  TlsFailed = 35,
  Redirected = 47,
  /// The connection was lost.
  ConnectionLost = 56,
  /// The client certificate or its key cannot be used.
  ClientCertificate = 58,
  /// The server's certificate is not trusted.
  ServerNotTrusted = 60,
  /// A file of trusted authorities cannot be read.
  TrustStore = 77,
  /// The resource refused token or certificate.
  ResourceRefused = 94,
  ProxyFailed = 97,
  /// The metadata service cannot be reached, or is something else.
  NoMetadataService = 101,
  /// The metadata service refused.
  MetadataServiceRefused = 102,
  /// Bound tokens cannot be had here: version 1 of the metadata service, key too weak, attestation, switched off.
  NoBoundTokens = 103,
  /// The token service refused, or cannot be reached.
  TokenServiceRefused = 104,
  /// What to ask a token for is not known: name it with --resource.
  ScopeUnknown = 105,
  /// This machine's clock is wrong.
  ClockWrong = 106,
  /// Of `run`, as of env, nice and timeout: the command itself failed before the program was started.
  RunFailed = 125,
  /// Of `run`: the program is there and cannot be executed.
  ProgramNotExecutable = 126,
  /// Of `run`: there is no such program.
  ProgramNotFound = 127,
  /// Anything else.
  Failed = 1,
};

/// The status for an error that ended a command.
ExitCode ExitCodeOf(Error const& error) noexcept;

}  // namespace mtlspop::command
