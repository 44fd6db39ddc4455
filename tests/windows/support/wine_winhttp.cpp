#include "wine_winhttp.hpp"

#include <cstring>

#include "wine.hpp"

namespace mtlspop::windows_tests {
namespace {

using schannel::WinHttpFunctions;

/// The connection that the request handle last said it has, on this thread.
struct LastConnection {
  HINTERNET Request = nullptr;
  sockaddr_in Local{};
};
thread_local LastConnection lastConnection;

/// Ends the socket of this process that is bound to `local`: under Wine a socket is a handle among the others, and asking
/// any other handle for its address does no harm.
void ShutDownSocket(sockaddr_in const& local) {
  constexpr SOCKET highest = 0x10000;
  for (SOCKET candidate = 4; candidate < highest; candidate += 4) {
    sockaddr_in address{};
    int bytes = sizeof address;
    if (getsockname(candidate, reinterpret_cast<sockaddr*>(&address), &bytes) == 0 &&
        address.sin_port == local.sin_port && address.sin_addr.s_addr == local.sin_addr.s_addr) {
      shutdown(candidate, SD_BOTH);
      return;
    }
  }
}

class WineWinHttp final : public WinHttpFunctions {
 public:
  HINTERNET Open(DWORD accessType, wchar_t const* proxy) override { return system_->Open(accessType, proxy); }
  HINTERNET Connect(HINTERNET session, wchar_t const* host, INTERNET_PORT port) override {
    return system_->Connect(session, host, port);
  }
  HINTERNET OpenRequest(HINTERNET connect, wchar_t const* method, wchar_t const* target, DWORD flags) override {
    return system_->OpenRequest(connect, method, target, flags);
  }
  bool CloseHandle(HINTERNET handle) override {
    // Only the thread that reports SENDING_REQUEST has just been asked for the connection.
    if (handle == lastConnection.Request) {
      lastConnection.Request = nullptr;
      ShutDownSocket(lastConnection.Local);
    }
    return system_->CloseHandle(handle);
  }
  bool SetStatusCallback(HINTERNET handle, WINHTTP_STATUS_CALLBACK callback) override {
    return system_->SetStatusCallback(handle, callback);
  }
  bool SetOption(HINTERNET handle, DWORD option, void* value, DWORD bytes) override {
    return system_->SetOption(handle, option, value, bytes);
  }
  bool QueryOption(HINTERNET handle, DWORD option, void* value, DWORD* bytes) override {
    bool const isAnswered = system_->QueryOption(handle, option, value, bytes);
    if (isAnswered && option == WINHTTP_OPTION_CONNECTION_INFO) {
      lastConnection.Request = handle;
      std::memcpy(
          &lastConnection.Local, &static_cast<WINHTTP_CONNECTION_INFO const*>(value)->LocalAddress,
          sizeof lastConnection.Local);
    }
    return isAnswered;
  }
  bool SetTimeouts(HINTERNET handle, int resolve, int connect, int send, int receive) override {
    return system_->SetTimeouts(handle, resolve, connect, send, receive);
  }
  bool SetProxyCredentials(HINTERNET request, wchar_t const* userName, wchar_t const* password) override {
    return system_->SetProxyCredentials(request, userName, password);
  }
  bool AddRequestHeaders(HINTERNET request, wchar_t const* fields, DWORD modifiers) override {
    return system_->AddRequestHeaders(request, fields, modifiers);
  }
  bool SendRequest(HINTERNET request, DWORD totalLength, DWORD_PTR context) override {
    return system_->SendRequest(request, totalLength, context);
  }
  bool WriteData(HINTERNET request, void const* data, DWORD bytes) override {
    return system_->WriteData(request, data, bytes);
  }
  bool ReceiveResponse(HINTERNET request) override { return system_->ReceiveResponse(request); }
  bool QueryHeaders(HINTERNET request, DWORD level, wchar_t* text, DWORD* bytes) override {
    return system_->QueryHeaders(request, level, text, bytes);
  }
  bool QueryDataAvailable(HINTERNET request) override { return system_->QueryDataAvailable(request); }
  bool ReadData(HINTERNET request, void* buffer, DWORD bytes) override {
    return system_->ReadData(request, buffer, bytes);
  }
  DWORD LastError() const noexcept override { return system_->LastError(); }

 private:
  std::shared_ptr<WinHttpFunctions> system_ = schannel::SystemWinHttp();
};

}  // namespace

std::shared_ptr<WinHttpFunctions> WinHttpOfThisMachine() {
  return IsWine() ? std::make_shared<WineWinHttp>() : schannel::SystemWinHttp();
}

}  // namespace mtlspop::windows_tests
