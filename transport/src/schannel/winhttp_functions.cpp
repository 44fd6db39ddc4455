#include "schannel/winhttp_functions.hpp"

namespace mtlspop::schannel {
namespace {

class System final : public WinHttpFunctions {
 public:
  HINTERNET Open(DWORD accessType, wchar_t const* proxy) override {
    return WinHttpOpen(nullptr, accessType, proxy, WINHTTP_NO_PROXY_BYPASS, WINHTTP_FLAG_ASYNC);
  }
  HINTERNET Connect(HINTERNET session, wchar_t const* host, INTERNET_PORT port) override {
    return WinHttpConnect(session, host, port, 0);
  }
  HINTERNET OpenRequest(HINTERNET connect, wchar_t const* method, wchar_t const* target, DWORD flags) override {
    return WinHttpOpenRequest(
        connect, method, target, nullptr, WINHTTP_NO_REFERER, WINHTTP_DEFAULT_ACCEPT_TYPES, flags);
  }
  bool CloseHandle(HINTERNET handle) override { return WinHttpCloseHandle(handle) != FALSE; }

  bool SetStatusCallback(HINTERNET handle, WINHTTP_STATUS_CALLBACK callback) override {
    return WinHttpSetStatusCallback(handle, callback, WINHTTP_CALLBACK_FLAG_ALL_NOTIFICATIONS, 0) !=
           WINHTTP_INVALID_STATUS_CALLBACK;
  }
  bool SetOption(HINTERNET handle, DWORD option, void* value, DWORD bytes) override {
    return WinHttpSetOption(handle, option, value, bytes) != FALSE;
  }
  bool QueryOption(HINTERNET handle, DWORD option, void* value, DWORD* bytes) override {
    return WinHttpQueryOption(handle, option, value, bytes) != FALSE;
  }
  bool SetTimeouts(HINTERNET handle, int resolve, int connect, int send, int receive) override {
    return WinHttpSetTimeouts(handle, resolve, connect, send, receive) != FALSE;
  }
  bool SetProxyCredentials(HINTERNET request, wchar_t const* userName, wchar_t const* password) override {
    return WinHttpSetCredentials(
               request, WINHTTP_AUTH_TARGET_PROXY, WINHTTP_AUTH_SCHEME_BASIC, userName, password, nullptr) != FALSE;
  }

  bool AddRequestHeaders(HINTERNET request, wchar_t const* fields, DWORD modifiers) override {
    return WinHttpAddRequestHeaders(request, fields, static_cast<DWORD>(-1), modifiers) != FALSE;
  }
  bool SendRequest(HINTERNET request, DWORD totalLength, DWORD_PTR context) override {
    return WinHttpSendRequest(
               request, WINHTTP_NO_ADDITIONAL_HEADERS, 0, WINHTTP_NO_REQUEST_DATA, 0, totalLength, context) != FALSE;
  }
  bool WriteData(HINTERNET request, void const* data, DWORD bytes) override {
    return WinHttpWriteData(request, data, bytes, nullptr) != FALSE;
  }
  bool ReceiveResponse(HINTERNET request) override { return WinHttpReceiveResponse(request, nullptr) != FALSE; }
  bool QueryHeaders(HINTERNET request, DWORD level, wchar_t* text, DWORD* bytes) override {
    return WinHttpQueryHeaders(request, level, WINHTTP_HEADER_NAME_BY_INDEX, text, bytes, WINHTTP_NO_HEADER_INDEX) !=
           FALSE;
  }
  bool QueryDataAvailable(HINTERNET request) override { return WinHttpQueryDataAvailable(request, nullptr) != FALSE; }
  bool ReadData(HINTERNET request, void* buffer, DWORD bytes) override {
    return WinHttpReadData(request, buffer, bytes, nullptr) != FALSE;
  }

  DWORD LastError() const noexcept override { return GetLastError(); }
};

}  // namespace

std::shared_ptr<WinHttpFunctions> SystemWinHttp() { return std::make_shared<System>(); }

}  // namespace mtlspop::schannel
