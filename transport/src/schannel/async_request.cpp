// What is asked of WinHTTP for a request, and how its end is waited for. What WinHTTP tells is in async_request_events.cpp.
#include "schannel/async_request.hpp"

#include <algorithm>
#include <system_error>
#include <utility>

#include "context_ended.hpp"
#include "mtlspop/base/wait.hpp"
#include "mtlspop/base/windows/wide_text.hpp"
#include "mtlspop/transport/error.hpp"
#include "no_thread.hpp"

namespace mtlspop::schannel {
namespace {

constexpr std::size_t PieceBytes = 64 * 1024;

Error TimedOutConnecting(RequestProgress const& progress) {
  ErrorDetails details{
      errors::DeadlineExceeded, progress.Host + ": no connection could be made within TransportOptions::ConnectTimeout",
      "Check that the service is up and that a firewall or proxy on the way lets the connection through"};
  details.NothingSent = !progress.WasSending;
  details.Transient = true;
  return Error{std::move(details)};
}

/// Whether the handle is good for another sending after this error.
bool MayBeBegunAnew(DWORD code) {
  return code == ERROR_WINHTTP_RESEND_REQUEST || code == ERROR_WINHTTP_CLIENT_AUTH_CERT_NEEDED;
}

}  // namespace

AsyncRequest::Ptr AsyncRequest::Open(
    std::shared_ptr<Session const> session, RequestTarget const& target, ConnectionCheck check) {
  auto request = std::make_shared<AsyncRequest>(std::move(session), target, std::move(check));
  request->OpenHandles(target);
  return Ptr{request.get(), Closer{request}};
}

AsyncRequest::AsyncRequest(std::shared_ptr<Session const> session, RequestTarget const& target, ConnectionCheck check)
    : session_(std::move(session)), check_(std::move(check)), host_(target.NameForErrors), isHttps_(target.IsHttps) {}

AsyncRequest::~AsyncRequest() {
  if (connect_ != nullptr) {
    Functions().CloseHandle(connect_);
  }
}

void AsyncRequest::OpenHandles(RequestTarget const& target) {
  bool const isAddress6 = target.Host.find(':') != std::string::npos;
  auto const host = Widen(isAddress6 ? "[" + target.Host + "]" : target.Host);
  connect_ = Functions().Connect(session_->Handle(), host.c_str(), target.Port);
  if (connect_ == nullptr) {
    Fail(Functions().LastError());
  }
  // The URL is sent as it stands: it is escaped already.
  DWORD const flags =
      (target.IsHttps ? WINHTTP_FLAG_SECURE : 0U) | WINHTTP_FLAG_ESCAPE_DISABLE | WINHTTP_FLAG_ESCAPE_DISABLE_QUERY;
  request_ = Functions().OpenRequest(connect_, Widen(target.Method).c_str(), Widen(target.Path).c_str(), flags);
  if (request_ == nullptr) {
    Fail(Functions().LastError());
  }
  auto context = reinterpret_cast<DWORD_PTR>(this);
  bool const isSet = Functions().SetOption(request_, WINHTTP_OPTION_CONTEXT_VALUE, &context, sizeof context) &&
                     Functions().SetStatusCallback(request_, &AsyncRequest::OnStatus);
  if (!isSet) {
    Fail(Functions().LastError());
  }
  self_ = shared_from_this();
}

void AsyncRequest::SetOption(DWORD option, void* value, DWORD bytes) {
  if (!TrySetOption(option, value, bytes)) {
    Fail(Functions().LastError());
  }
}

bool AsyncRequest::TrySetOption(DWORD option, void* value, DWORD bytes) {
  return Functions().SetOption(Handle(), option, value, bytes);
}

bool AsyncRequest::QueryOption(DWORD option, void* value, DWORD* bytes) const {
  return Functions().QueryOption(Handle(), option, value, bytes);
}

void AsyncRequest::SetTimeouts(int connect, int transfer) {
  if (!Functions().SetTimeouts(Handle(), 0, connect, transfer, transfer)) {
    Fail(Functions().LastError());
  }
  auto untilAnswer = transfer == 0 ? static_cast<DWORD>(-1) : static_cast<DWORD>(transfer);
  SetOption(WINHTTP_OPTION_RECEIVE_RESPONSE_TIMEOUT, &untilAnswer, sizeof untilAnswer);
}

void AsyncRequest::SetProxyCredentials(ProxyCredentials const& credentials) {
  if (!Functions().SetProxyCredentials(
          Handle(), credentials.UserName.Characters(), credentials.Password.Characters())) {
    Fail(Functions().LastError());
  }
}

void AsyncRequest::AddHeaders(CleansedText const& fields) {
  if (!fields.Empty() && !Functions().AddRequestHeaders(Handle(), fields.Characters(), WINHTTP_ADDREQ_FLAG_ADD)) {
    Fail(Functions().LastError());
  }
}

/// No lock is held while WinHTTP is called: it may answer on this very thread, before it returns.
template <class Start>
void AsyncRequest::Begin(Start const& start) {
  {
    std::lock_guard<std::mutex> const lock{mutex_};
    isDone_ = false;
    error_ = 0;
    count_ = 0;
  }
  if (!start(Handle())) {
    Fail(Functions().LastError());
  }
}

void AsyncRequest::BeginSend(DWORD totalLength, std::chrono::milliseconds connectTimeout) {
  {
    std::lock_guard<std::mutex> const lock{mutex_};
    isNewConnection_ = false;
    hasConnected_ = false;
    isSending_ = false;
    hasServerTls_ = false;
    hasAnswer_ = false;
    connectingSince_.reset();
    connectTimeout_ = connectTimeout;
  }
  Begin([&](HINTERNET request) {
    return Functions().SendRequest(request, totalLength, reinterpret_cast<DWORD_PTR>(this));
  });
}

void AsyncRequest::BeginWrite(gsl::span<std::uint8_t const> piece) {
  outgoing_.Assign(piece);
  Begin([this](HINTERNET request) {
    return Functions().WriteData(request, outgoing_.Bytes().data(), static_cast<DWORD>(outgoing_.Bytes().size()));
  });
}

void AsyncRequest::BeginReceive() {
  Begin([this](HINTERNET request) { return Functions().ReceiveResponse(request); });
}

void AsyncRequest::NoteAnswer() noexcept {
  std::lock_guard<std::mutex> const lock{mutex_};
  hasAnswer_ = true;
}

void AsyncRequest::BeginQuery() {
  Begin([this](HINTERNET request) { return Functions().QueryDataAvailable(request); });
}

void AsyncRequest::BeginRead() {
  incoming_.Renew(std::min(Count(), PieceBytes));
  Begin([this](HINTERNET request) {
    return Functions().ReadData(request, incoming_.Bytes().data(), static_cast<DWORD>(incoming_.Bytes().size()));
  });
}

std::size_t AsyncRequest::Count() const {
  std::lock_guard<std::mutex> const lock{mutex_};
  return count_;
}

gsl::span<std::uint8_t const> AsyncRequest::Piece() const {
  return incoming_.Bytes().first(std::min(Count(), incoming_.Bytes().size()));
}

/// The time for connecting runs from when WinHTTP begins to: before, the request waits for a connection of the pool.
Context::TimePoint AsyncRequest::Until() const {
  return connectingSince_ && !isSending_ ? *connectingSince_ + connectTimeout_ : Context::TimePoint::max();
}

bool AsyncRequest::IsOver() const {
  std::lock_guard<std::mutex> const lock{mutex_};
  return isDone_ || Context::Clock::now() >= Until();
}

void AsyncRequest::Wait(Context const& context) {
  std::unique_lock<std::mutex> lock{mutex_};
  while (!isDone_) {
    auto const until = Until();
    if (!WaitUntil(lock, changed_, until, context, [&] { return isDone_ || Until() != until; })) {
      return;
    }
  }
}

void AsyncRequest::WhenOver(Context const& context, Executor const& executor, std::function<void()> then) {
  auto const until = [this] {
    std::lock_guard<std::mutex> const lock{mutex_};
    return Until();
  }();
  // Weakly: what `then` holds is to be the last to hold the request.
  auto const again = [weak = weak_from_this(), context, executor, then](WaitEnd end) {
    auto self = weak.lock();
    if (self == nullptr || end == WaitEnd::ContextEnded || self->IsOver()) {
      self = nullptr;
      return then();
    }
    try {
      self->WhenOver(context, executor, then);
    } catch (...) {
      self->Refuse(std::current_exception());
      self = nullptr;
      then();
    }
  };
  // The context may end at once, and `then` let go of this request, while the waiter is still put down here.
  auto alive = shared_from_this();
  std::shared_ptr<PendingWait> wait;
  try {
    wait = ContextWait<Context>::Begin(context, until, executor, again);
  } catch (std::system_error const& error) {
    ThrowNoThread(error);
  }
  bool const waits = WaitsWith(until, wait);
  alive = nullptr;
  if (!waits) {
    wait->Wake();
  }
}

/// Returns whether the next change wakes it; else there was one meanwhile.
bool AsyncRequest::WaitsWith(Context::TimePoint until, std::shared_ptr<PendingWait> wait) {
  std::lock_guard<std::mutex> const lock{mutex_};
  if (isDone_ || Until() != until) {
    return false;
  }
  waiter_ = std::move(wait);
  return true;
}

void AsyncRequest::Finish(char const* what, Context const& context) {
  std::unique_lock<std::mutex> lock{mutex_};
  auto const refusal = refusal_;
  auto const error = error_;
  bool const isDone = isDone_;
  lock.unlock();
  if (refusal) {
    Close();
    std::rethrow_exception(refusal);
  }
  if (!isDone) {
    Close();
    ThrowIfEnded(what, context);
    throw TimedOutConnecting(Progress());
  }
  if (error != 0) {
    Fail(error);
  }
}

void AsyncRequest::ThrowIfEnded(char const* what, Context const& context) const {
  mtlspop::ThrowIfEnded(context, what, host_, since_);
}

bool AsyncRequest::WantsResend() const {
  std::lock_guard<std::mutex> const lock{mutex_};
  return MayBeBegunAnew(error_) && request_ != nullptr;
}

bool AsyncRequest::WantsCertificate() const {
  std::lock_guard<std::mutex> const lock{mutex_};
  return error_ == ERROR_WINHTTP_CLIENT_AUTH_CERT_NEEDED && request_ != nullptr;
}

std::wstring AsyncRequest::ResponseHeader() {
  DWORD bytes = 0;
  Functions().QueryHeaders(Handle(), WINHTTP_QUERY_RAW_HEADERS_CRLF, nullptr, &bytes);
  std::wstring text(bytes / sizeof(wchar_t) + 1, L'\0');
  bytes = static_cast<DWORD>(text.size() * sizeof(wchar_t));
  if (!Functions().QueryHeaders(Handle(), WINHTTP_QUERY_RAW_HEADERS_CRLF, text.data(), &bytes)) {
    Fail(Functions().LastError());
  }
  text.resize(bytes / sizeof(wchar_t));
  return text;
}

void AsyncRequest::Close() noexcept {
  HINTERNET handle = nullptr;
  {
    std::lock_guard<std::mutex> const lock{mutex_};
    handle = std::exchange(request_, nullptr);
  }
  if (handle != nullptr) {
    Functions().CloseHandle(handle);
  }
}

RequestProgress AsyncRequest::Progress() const {
  std::lock_guard<std::mutex> const lock{mutex_};
  RequestProgress progress;
  progress.Host = host_;
  progress.IsBound = session_->Binding() != nullptr;
  progress.WasSending = wasSending_;
  progress.HasAnswer = hasAnswer_;
  progress.SecureFailure = secureFailure_;
  return progress;
}

bool AsyncRequest::IsOnReusedConnection() const {
  std::lock_guard<std::mutex> const lock{mutex_};
  return isSending_ && !hasConnected_;
}

bool AsyncRequest::HasServerTls() const {
  std::lock_guard<std::mutex> const lock{mutex_};
  return hasServerTls_;
}

/// WinHTTP may close it at any time, on a thread of its own.
HINTERNET AsyncRequest::Handle() const {
  std::lock_guard<std::mutex> const lock{mutex_};
  return request_;
}

void AsyncRequest::Fail(DWORD code) {
  std::exception_ptr refusal;
  {
    std::lock_guard<std::mutex> const lock{mutex_};
    error_ = code;
    refusal = refusal_;
  }
  if (refusal || !MayBeBegunAnew(code)) {
    Close();
  }
  if (refusal) {
    // Between two steps, and the handle that this step was to use is closed.
    std::rethrow_exception(refusal);
  }
  throw TranslateWinHttpError(code, Progress());
}

}  // namespace mtlspop::schannel
