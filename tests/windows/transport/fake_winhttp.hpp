#pragma once

/// @file
/// A WinHTTP that answers as a test tells it to, and counts its handles.

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "schannel/winhttp_functions.hpp"

namespace mtlspop::windows_tests {

/// Calls with the meaning of the WinHTTP functions. By default each request opens a connection of its own and is answered
/// with `Header` and `Body`; a test overrides what it is about with ON_CALL or EXPECT_CALL.
///
/// It reports on the calling thread, which WinHTTP may do as well.
class FakeWinHttp : public schannel::WinHttpFunctions {
 public:
  FakeWinHttp();
  ~FakeWinHttp() override;

  MOCK_METHOD(HINTERNET, Open, (DWORD accessType, wchar_t const* proxy), (override));
  MOCK_METHOD(HINTERNET, Connect, (HINTERNET session, wchar_t const* host, INTERNET_PORT port), (override));
  MOCK_METHOD(
      HINTERNET,
      OpenRequest,
      (HINTERNET connect, wchar_t const* method, wchar_t const* target, DWORD flags),
      (override));
  MOCK_METHOD(bool, CloseHandle, (HINTERNET handle), (override));
  MOCK_METHOD(bool, SetStatusCallback, (HINTERNET handle, WINHTTP_STATUS_CALLBACK callback), (override));
  MOCK_METHOD(bool, SetOption, (HINTERNET handle, DWORD option, void* value, DWORD bytes), (override));
  MOCK_METHOD(bool, QueryOption, (HINTERNET handle, DWORD option, void* value, DWORD* bytes), (override));
  MOCK_METHOD(bool, SetTimeouts, (HINTERNET handle, int resolve, int connect, int send, int receive), (override));
  MOCK_METHOD(
      bool, SetProxyCredentials, (HINTERNET request, wchar_t const* userName, wchar_t const* password), (override));
  MOCK_METHOD(bool, AddRequestHeaders, (HINTERNET request, wchar_t const* fields, DWORD modifiers), (override));
  MOCK_METHOD(bool, SendRequest, (HINTERNET request, DWORD totalLength, DWORD_PTR context), (override));
  MOCK_METHOD(bool, WriteData, (HINTERNET request, void const* data, DWORD bytes), (override));
  MOCK_METHOD(bool, ReceiveResponse, (HINTERNET request), (override));
  MOCK_METHOD(bool, QueryHeaders, (HINTERNET request, DWORD level, wchar_t* text, DWORD* bytes), (override));
  MOCK_METHOD(bool, QueryDataAvailable, (HINTERNET request), (override));
  MOCK_METHOD(bool, ReadData, (HINTERNET request, void* buffer, DWORD bytes), (override));
  DWORD LastError() const noexcept override { return LastErrorCode; }

  /// Reports to the transport, as WinHTTP does.
  void Report(HINTERNET request, DWORD status, void* info = nullptr, DWORD bytes = 0);
  void ReportError(HINTERNET request, DWORD code);
  /// Connecting, connected, about to send; on the connection with this local port, which is new or was there before.
  /// Without TLS it is a proxy's, about to be asked for a tunnel. Port 0: WinHTTP does not say which connection it is.
  /// Returns whether the request may be sent: the transport has not closed it.
  bool ReportConnection(HINTERNET request, bool isNew, std::uint16_t localPort, bool hasTls = true);

  /// What SetOption does by default.
  bool TakeOption(HINTERNET handle, DWORD option, void const* value, DWORD bytes);

  /// What CloseHandle does by default.
  bool Close(HINTERNET handle);

  /// What SetStatusCallback does by default.
  void Watch(HINTERNET handle, WINHTTP_STATUS_CALLBACK callback);

  bool IsOpen(HINTERNET handle) const;
  std::size_t OpenHandles() const;
  /// All bytes that were written as request bodies.
  std::string const& Written() const noexcept { return written_; }
  /// The last value that an option was set to on any handle; none where it was not.
  std::optional<DWORD> Option(DWORD option) const;
  /// How often the bytes of a request went out.
  std::atomic<int> RequestsSent{0};

  /// A request whose bytes went out.
  struct Sending {
    HINTERNET Session = nullptr;
    std::uint16_t LocalPort = 0;
    std::wstring Target;
    /// DER of the client certificate on the request, empty for none.
    std::vector<std::uint8_t> Certificate;
  };
  std::vector<Sending> Sendings() const;

  std::wstring Header = L"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
  std::string Body = "hello";
  /// DER of what servers show where TLS stands; empty: WinHTTP does not say.
  std::vector<std::uint8_t> ServerCertificate;
  DWORD LastErrorCode = ERROR_WINHTTP_INTERNAL_ERROR;
  /// Where connections go to; 0: WinHTTP does not say.
  std::atomic<std::uint16_t> RemotePort{0};

 private:
  enum class Kind { Session, Connect, Request };
  struct Handle {
    Kind What = Kind::Session;
    HINTERNET Parent = nullptr;
    std::wstring Target;
    std::vector<std::uint8_t> Certificate;
    DWORD_PTR Context = 0;
    WINHTTP_STATUS_CALLBACK Callback = nullptr;
    std::size_t BodyRead = 0;
    std::uint16_t LocalPort = 0;
    bool HasTls = false;
  };

  HINTERNET NewHandle(Kind kind, HINTERNET parent = nullptr, std::wstring target = {});
  bool AnswerOption(HINTERNET handle, DWORD option, void* value, DWORD* bytes);
  bool AnswerHeaders(wchar_t* text, DWORD* bytes) const;
  bool AnswerRead(HINTERNET request, void* buffer, DWORD bytes);

  mutable std::mutex mutex_;
  std::map<HINTERNET, Handle> handles_;
  std::map<DWORD, DWORD> options_;
  std::vector<Sending> sendings_;
  std::uintptr_t nextHandle_ = 1;
  std::uint16_t nextPort_ = 1000;
  std::string written_;
};

}  // namespace mtlspop::windows_tests
