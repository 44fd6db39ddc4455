#pragma once

/// @file
/// The WinHTTP functions that the transport uses, as an interface, so that tests can stand in for what only another
/// Windows would do.

#include <memory>

#include <winsock2.h>
#include <ws2def.h>

#include <windows.h>

#include <winhttp.h>

namespace mtlspop::schannel {

/// One member for each function, with the meaning of the function that it is named after; arguments that the transport
/// never uses are left out. After a member has failed, `LastError()` says why, on the same thread.
///
/// Thread safety: all members may be called from any thread at any time.
class WinHttpFunctions {
 public:
  virtual ~WinHttpFunctions() = default;

  /// An asynchronous session (WINHTTP_FLAG_ASYNC) without a User-Agent of its own.
  virtual HINTERNET Open(DWORD accessType, wchar_t const* proxy) = 0;
  virtual HINTERNET Connect(HINTERNET session, wchar_t const* host, INTERNET_PORT port) = 0;
  virtual HINTERNET OpenRequest(HINTERNET connect, wchar_t const* method, wchar_t const* target, DWORD flags) = 0;
  virtual bool CloseHandle(HINTERNET handle) = 0;

  virtual bool SetStatusCallback(HINTERNET handle, WINHTTP_STATUS_CALLBACK callback) = 0;
  virtual bool SetOption(HINTERNET handle, DWORD option, void* value, DWORD bytes) = 0;
  virtual bool QueryOption(HINTERNET handle, DWORD option, void* value, DWORD* bytes) = 0;
  /// Milliseconds, 0 for no limit.
  virtual bool SetTimeouts(HINTERNET handle, int resolve, int connect, int send, int receive) = 0;
  virtual bool SetProxyCredentials(HINTERNET request, wchar_t const* userName, wchar_t const* password) = 0;

  virtual bool AddRequestHeaders(HINTERNET request, wchar_t const* fields, DWORD modifiers) = 0;
  virtual bool SendRequest(HINTERNET request, DWORD totalLength, DWORD_PTR context) = 0;
  virtual bool WriteData(HINTERNET request, void const* data, DWORD bytes) = 0;
  virtual bool ReceiveResponse(HINTERNET request) = 0;
  /// `bytes` counts bytes, not characters.
  virtual bool QueryHeaders(HINTERNET request, DWORD level, wchar_t* text, DWORD* bytes) = 0;
  virtual bool QueryDataAvailable(HINTERNET request) = 0;
  virtual bool ReadData(HINTERNET request, void* buffer, DWORD bytes) = 0;

  virtual DWORD LastError() const noexcept = 0;
};

/// Windows' own WinHTTP.
std::shared_ptr<WinHttpFunctions> SystemWinHttp();

}  // namespace mtlspop::schannel
