#include "fake_winhttp.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include <wincrypt.h>

namespace mtlspop::windows_tests {

using testing::_;

FakeWinHttp::FakeWinHttp() {
  ON_CALL(*this, Open).WillByDefault([this](DWORD, wchar_t const*) { return NewHandle(Kind::Session); });
  ON_CALL(*this, Connect).WillByDefault([this](HINTERNET session, wchar_t const*, INTERNET_PORT) {
    return NewHandle(Kind::Connect, session);
  });
  ON_CALL(*this, OpenRequest).WillByDefault([this](HINTERNET connect, wchar_t const*, wchar_t const* target, DWORD) {
    return NewHandle(Kind::Request, connect, target);
  });
  ON_CALL(*this, CloseHandle).WillByDefault([this](HINTERNET handle) { return Close(handle); });
  ON_CALL(*this, SetStatusCallback).WillByDefault([this](HINTERNET handle, WINHTTP_STATUS_CALLBACK callback) {
    Watch(handle, callback);
    return true;
  });
  ON_CALL(*this, SetOption).WillByDefault([this](HINTERNET handle, DWORD option, void* value, DWORD bytes) {
    return TakeOption(handle, option, value, bytes);
  });
  ON_CALL(*this, QueryOption).WillByDefault([this](HINTERNET handle, DWORD option, void* value, DWORD* bytes) {
    return AnswerOption(handle, option, value, bytes);
  });
  ON_CALL(*this, SetTimeouts).WillByDefault(testing::Return(true));
  ON_CALL(*this, SetProxyCredentials).WillByDefault(testing::Return(true));
  ON_CALL(*this, AddRequestHeaders).WillByDefault(testing::Return(true));
  ON_CALL(*this, SendRequest).WillByDefault([this](HINTERNET request, DWORD, DWORD_PTR) {
    if (ReportConnection(request, true, ++nextPort_)) {
      Report(request, WINHTTP_CALLBACK_STATUS_SENDREQUEST_COMPLETE);
    }
    return true;
  });
  ON_CALL(*this, WriteData).WillByDefault([this](HINTERNET request, void const* data, DWORD bytes) {
    written_.append(static_cast<char const*>(data), bytes);
    Report(request, WINHTTP_CALLBACK_STATUS_WRITE_COMPLETE, &bytes, sizeof bytes);
    return true;
  });
  ON_CALL(*this, ReceiveResponse).WillByDefault([this](HINTERNET request) {
    Report(request, WINHTTP_CALLBACK_STATUS_HEADERS_AVAILABLE);
    return true;
  });
  ON_CALL(*this, QueryHeaders).WillByDefault([this](HINTERNET, DWORD, wchar_t* text, DWORD* bytes) {
    return AnswerHeaders(text, bytes);
  });
  ON_CALL(*this, QueryDataAvailable).WillByDefault([this](HINTERNET request) {
    DWORD available = 0;
    {
      std::lock_guard<std::mutex> const lock{mutex_};
      available = static_cast<DWORD>(Body.size() - handles_.at(request).BodyRead);
    }
    Report(request, WINHTTP_CALLBACK_STATUS_DATA_AVAILABLE, &available, sizeof available);
    return true;
  });
  ON_CALL(*this, ReadData).WillByDefault([this](HINTERNET request, void* buffer, DWORD bytes) {
    return AnswerRead(request, buffer, bytes);
  });
}

FakeWinHttp::~FakeWinHttp() = default;

HINTERNET FakeWinHttp::NewHandle(Kind kind, HINTERNET parent, std::wstring target) {
  std::lock_guard<std::mutex> const lock{mutex_};
  auto* const handle = reinterpret_cast<HINTERNET>(nextHandle_++);
  handles_[handle].What = kind;
  handles_[handle].Parent = parent;
  handles_[handle].Target = std::move(target);
  return handle;
}

bool FakeWinHttp::TakeOption(HINTERNET handle, DWORD option, void const* value, DWORD bytes) {
  std::lock_guard<std::mutex> const lock{mutex_};
  if (option == WINHTTP_OPTION_CONTEXT_VALUE) {
    handles_.at(handle).Context = *static_cast<DWORD_PTR const*>(value);
  }
  if (option == WINHTTP_OPTION_CLIENT_CERT_CONTEXT && value != nullptr) {
    auto const* const context = static_cast<PCCERT_CONTEXT>(value);
    handles_.at(handle).Certificate.assign(context->pbCertEncoded, context->pbCertEncoded + context->cbCertEncoded);
  }
  options_[option] = bytes == sizeof(DWORD) ? *static_cast<DWORD const*>(value) : bytes;
  return true;
}

bool FakeWinHttp::Close(HINTERNET handle) {
  Handle closed;
  {
    std::lock_guard<std::mutex> const lock{mutex_};
    auto const found = handles_.find(handle);
    EXPECT_NE(found, handles_.end()) << "a handle is closed that is not open";
    if (found == handles_.end()) {
      return false;
    }
    closed = found->second;
    handles_.erase(found);
  }
  if (closed.Callback != nullptr) {
    closed.Callback(handle, closed.Context, WINHTTP_CALLBACK_STATUS_HANDLE_CLOSING, &handle, sizeof handle);
  }
  return true;
}

bool FakeWinHttp::AnswerOption(HINTERNET handle, DWORD option, void* value, DWORD* bytes) {
  std::lock_guard<std::mutex> const lock{mutex_};
  auto const& asked = handles_.at(handle);
  if (option == WINHTTP_OPTION_SERVER_CERT_CONTEXT && asked.HasTls && !ServerCertificate.empty()) {
    *static_cast<PCCERT_CONTEXT*>(value) = CertCreateCertificateContext(
        X509_ASN_ENCODING, ServerCertificate.data(), static_cast<DWORD>(ServerCertificate.size()));
    return true;
  }
  if (option != WINHTTP_OPTION_CONNECTION_INFO || *bytes < sizeof(WINHTTP_CONNECTION_INFO) || asked.LocalPort == 0) {
    return false;
  }
  auto* const info = static_cast<WINHTTP_CONNECTION_INFO*>(value);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = asked.LocalPort;
  std::memcpy(&info->LocalAddress, &address, sizeof address);
  if (RemotePort != 0) {
    address.sin_port = RemotePort;
    std::memcpy(&info->RemoteAddress, &address, sizeof address);
  }
  return true;
}

bool FakeWinHttp::AnswerHeaders(wchar_t* text, DWORD* bytes) const {
  auto const needed = static_cast<DWORD>(Header.size() * sizeof(wchar_t));
  bool const fits = text != nullptr && *bytes >= needed;
  if (fits) {
    std::memcpy(text, Header.data(), needed);
  }
  *bytes = needed;
  return fits;
}

bool FakeWinHttp::AnswerRead(HINTERNET request, void* buffer, DWORD bytes) {
  DWORD count = 0;
  {
    std::lock_guard<std::mutex> const lock{mutex_};
    auto& read = handles_.at(request).BodyRead;
    count = static_cast<DWORD>(std::min<std::size_t>(bytes, Body.size() - read));
    std::memcpy(buffer, Body.data() + read, count);
    read += count;
  }
  Report(request, WINHTTP_CALLBACK_STATUS_READ_COMPLETE, buffer, count);
  return true;
}

void FakeWinHttp::Report(HINTERNET request, DWORD status, void* info, DWORD bytes) {
  Handle handle;
  {
    std::lock_guard<std::mutex> const lock{mutex_};
    auto const found = handles_.find(request);
    if (found == handles_.end()) {
      return;
    }
    handle = found->second;
  }
  handle.Callback(request, handle.Context, status, info, bytes);
}

void FakeWinHttp::Watch(HINTERNET handle, WINHTTP_STATUS_CALLBACK callback) {
  std::lock_guard<std::mutex> const lock{mutex_};
  handles_.at(handle).Callback = callback;
}

void FakeWinHttp::ReportError(HINTERNET request, DWORD code) {
  WINHTTP_ASYNC_RESULT result{API_SEND_REQUEST, code};
  Report(request, WINHTTP_CALLBACK_STATUS_REQUEST_ERROR, &result, sizeof result);
}

bool FakeWinHttp::ReportConnection(HINTERNET request, bool isNew, std::uint16_t localPort, bool hasTls) {
  Sending sending;
  {
    std::lock_guard<std::mutex> const lock{mutex_};
    auto& handle = handles_.at(request);
    handle.LocalPort = localPort;
    handle.HasTls = hasTls;
    sending = {handles_.at(handle.Parent).Parent, localPort, handle.Target, handle.Certificate};
  }
  if (isNew) {
    Report(request, WINHTTP_CALLBACK_STATUS_CONNECTING_TO_SERVER);
    Report(request, WINHTTP_CALLBACK_STATUS_CONNECTED_TO_SERVER);
  }
  Report(request, WINHTTP_CALLBACK_STATUS_SENDING_REQUEST);
  if (!IsOpen(request)) {
    return false;
  }
  ++RequestsSent;
  std::lock_guard<std::mutex> const lock{mutex_};
  sendings_.push_back(std::move(sending));
  return true;
}

std::vector<FakeWinHttp::Sending> FakeWinHttp::Sendings() const {
  std::lock_guard<std::mutex> const lock{mutex_};
  return sendings_;
}

bool FakeWinHttp::IsOpen(HINTERNET handle) const {
  std::lock_guard<std::mutex> const lock{mutex_};
  return handles_.find(handle) != handles_.end();
}

std::size_t FakeWinHttp::OpenHandles() const {
  std::lock_guard<std::mutex> const lock{mutex_};
  return handles_.size();
}

std::optional<DWORD> FakeWinHttp::Option(DWORD option) const {
  std::lock_guard<std::mutex> const lock{mutex_};
  auto const found = options_.find(option);
  return found == options_.end() ? std::nullopt : std::make_optional(found->second);
}

}  // namespace mtlspop::windows_tests
