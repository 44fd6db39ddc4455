// What WinHTTP tells of a request, on threads of its own.
#include <utility>

#include "mtlspop/transport/error.hpp"
#include "schannel/async_request.hpp"

namespace mtlspop::schannel {

void CALLBACK AsyncRequest::OnStatus(HINTERNET, DWORD_PTR context, DWORD status, void* info, DWORD bytes) {
  auto* const self = reinterpret_cast<AsyncRequest*>(context);
  if (self != nullptr) {
    // A check may close the handle, whose closing may be reported before that returns, and the caller may be gone by
    // then.
    auto const alive = self->shared_from_this();
    self->OnEvent(status, info, bytes);
  }
}

void AsyncRequest::OnEvent(DWORD status, void* info, DWORD bytes) {
  switch (status) {
    case WINHTTP_CALLBACK_STATUS_RESOLVING_NAME:
    case WINHTTP_CALLBACK_STATUS_CONNECTING_TO_SERVER:
      return OnConnecting();
    case WINHTTP_CALLBACK_STATUS_CONNECTED_TO_SERVER: {
      std::lock_guard<std::mutex> const lock{mutex_};
      isNewConnection_ = true;
      hasConnected_ = true;
      hasServerTls_ = false;
      return;
    }
    case WINHTTP_CALLBACK_STATUS_SECURE_FAILURE: {
      std::lock_guard<std::mutex> const lock{mutex_};
      secureFailure_ = info == nullptr ? 0 : *static_cast<DWORD const*>(info);
      return;
    }
    case WINHTTP_CALLBACK_STATUS_SENDING_REQUEST:
      return OnSending();
    case WINHTTP_CALLBACK_STATUS_SENDREQUEST_COMPLETE:
    case WINHTTP_CALLBACK_STATUS_WRITE_COMPLETE:
    case WINHTTP_CALLBACK_STATUS_HEADERS_AVAILABLE:
      return Complete(0, 0);
    case WINHTTP_CALLBACK_STATUS_DATA_AVAILABLE:
      return Complete(0, *static_cast<DWORD const*>(info));
    case WINHTTP_CALLBACK_STATUS_READ_COMPLETE:
      return Complete(0, bytes);
    case WINHTTP_CALLBACK_STATUS_REQUEST_ERROR:
      return Complete(static_cast<WINHTTP_ASYNC_RESULT const*>(info)->dwError, 0);
    case WINHTTP_CALLBACK_STATUS_HANDLE_CLOSING:
      return OnClosed();
    default:
      return;
  }
}

void AsyncRequest::OnConnecting() {
  std::unique_lock<std::mutex> lock{mutex_};
  if (!connectingSince_) {
    connectingSince_ = Context::Clock::now();
    TellChange(std::move(lock));
  }
}

/// TLS stands, or the connection did already. WinHTTP sends the request when this returns, unless the handle is closed.
/// It may come again for the same request, which WinHTTP then repeats by itself.
void AsyncRequest::OnSending() {
  bool isTunnelPending = false;
  try {
    auto const view = View();
    check_(view);
    isTunnelPending = view.IsTunnelPending;
  } catch (...) {
    return Refuse(WhatRefused());
  }
  if (isTunnelPending) {
    return;
  }
  std::unique_lock<std::mutex> lock{mutex_};
  isSending_ = true;
  wasSending_ = true;
  TellChange(std::move(lock));
}

/// Ends the request for that reason, whatever WinHTTP says of it then.
void AsyncRequest::Refuse(std::exception_ptr reason) noexcept {
  {
    std::lock_guard<std::mutex> const lock{mutex_};
    refusal_ = std::move(reason);
  }
  Close();
  Complete(ERROR_WINHTTP_OPERATION_CANCELLED, 0);
}

/// What is being handled. A check knows one sending alone, and that nothing of it was sent; there may have been others.
std::exception_ptr AsyncRequest::WhatRefused() const {
  try {
    throw;
  } catch (Error const& error) {
    if (auto details = error.Details(); details.NothingSent && Progress().WasSending) {
      details.NothingSent = false;
      return std::make_exception_ptr(Error{std::move(details)});
    }
    return std::current_exception();
  } catch (...) {
    return std::current_exception();
  }
}

ConnectionView AsyncRequest::View() {
  // With the lock, so that the handle is not closed, and its number given to another request, between the questions.
  std::lock_guard<std::mutex> const lock{mutex_};
  bool const isNew = std::exchange(isNewConnection_, false);
  auto view = request_ != nullptr ? ViewConnection(Functions(), request_, isHttps_, session_->Key().MayMeetProxy())
                                  : ConnectionView{};
  view.IsNew = isNew;
  if (request_ != nullptr) {
    hasServerTls_ = view.Server != nullptr;
    hasConnected_ = hasConnected_ || view.IsTunnelPending;
  }
  return view;
}

void AsyncRequest::Complete(DWORD error, DWORD count) {
  std::unique_lock<std::mutex> lock{mutex_};
  if (!isDone_) {
    isDone_ = true;
    error_ = error;
    count_ = count;
    TellChange(std::move(lock));
  }
}

void AsyncRequest::OnClosed() {
  std::shared_ptr<AsyncRequest> self;
  {
    std::lock_guard<std::mutex> const lock{mutex_};
    self = std::move(self_);
  }
  Complete(ERROR_WINHTTP_OPERATION_CANCELLED, 0);
}

void AsyncRequest::TellChange(std::unique_lock<std::mutex> lock) {
  changed_.notify_all();
  auto const waiter = std::exchange(waiter_, nullptr);
  lock.unlock();
  if (waiter) {
    waiter->Wake();
  }
}

}  // namespace mtlspop::schannel
