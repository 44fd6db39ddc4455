#pragma once

/// @file
/// WinHTTP's error numbers as errors that say what to do.

#include <string>

#include <winsock2.h>

#include <windows.h>

#include "mtlspop/transport/error.hpp"

namespace mtlspop::schannel {

/// How far a request had come when it failed.
struct RequestProgress {
  /// Host of the URL, for the text.
  std::string Host;
  /// Whether the request carries a binding certificate.
  bool IsBound = false;
  /// Whether a connection was there and the request was about to be sent on it.
  bool WasSending = false;
  /// Whether the header of the answer had come.
  bool HasAnswer = false;
  /// What WINHTTP_CALLBACK_STATUS_SECURE_FAILURE said, WINHTTP_CALLBACK_STATUS_FLAG_...; 0 where it said nothing.
  DWORD SecureFailure = 0;
};

/// `code` is an ERROR_WINHTTP_..., or any other number of Windows'.
Error TranslateWinHttpError(DWORD code, RequestProgress const& progress);

}  // namespace mtlspop::schannel
