#include "openssl/sending.hpp"

#include <algorithm>
#include <utility>

#include "context_ended.hpp"
#include "openssl/slow_keys.hpp"

namespace mtlspop::openssl {

Sending::Sending(
    TransportCore const& core,
    Request& request,
    std::shared_ptr<BindingCertificate const> binding,
    Context const& context,
    Driver& driver,
    bool mayBlock)
    : core_(core),
      state_(core.State.Get()),
      request_(request),
      binding_(std::move(binding)),
      context_(context),
      since_(context.Deadline() == Context::TimePoint::max() ? Context::TimePoint{} : Context::Clock::now()),
      driver_(driver),
      mayBlock_(mayBlock),
      route_(core.Routes.For(request, binding_ != nullptr)),
      proxy_(route_.ProxyText()),
      key_{
          request.Target.GetOrigin().Scheme, request.Target.GetOrigin().Host, request.Target.GetOrigin().Port, proxy_,
          binding_ ? std::string_view{binding_->X5tS256()} : std::string_view{}},
      bodyLength_(request.Body ? request.Body->Length() : std::nullopt) {}

Step Sending::Advance() {
  while (stage_ != Stage::Done) {
    auto const step = Try();
    if (step.For != Awaits::Nothing) {
      return step;
    }
  }
  return {};
}

Step Sending::Try() {
  switch (stage_) {
    case Stage::Acquire:
      return Acquire();
    case Stage::Connect:
      return Connect();
    case Stage::Exchange:
      return Exchange();
    case Stage::Rewind:
      return Rewind();
    case Stage::Done:
      break;
  }
  return {};
}

/// What `step` waits for, as long as `context` lets it.
/// @throw Error `cancelled`, `deadline_exceeded`
Step Sending::Within(Context const& context, Step step) const {
  ThrowIfEnded(context, step.What, key_.Host, since_);
  step.Until = std::min(step.Until, context.Deadline());
  return step;
}

Step Sending::Acquire() {
  if (!acquiring_) {
    acquiring_.emplace(state_.Pool, key_, again_, driver_);
  }
  auto slot = acquiring_->TryTake();
  if (!slot) {
    if (context_.IsCancelled()) {
      throw Cancelled(PoolRequest::What);
    }
    if (context_.IsExpired()) {
      ThrowPoolExhausted();
    }
    if (!begun_ && core_.Options.Observer.IsEnabled(Severity::Info)) {
      begun_ = core_.Options.Time->SteadyNow();
    }
    return {Awaits::Wake, {}, context_.Deadline(), PoolRequest::What};
  }
  acquiring_.reset();
  if (begun_) {
    TellWaited();
    begun_.reset();
  }
  slot_.emplace(std::move(*slot));
  reused_ = slot_->HasConnection();
  if (reused_) {
    BeginExchange();
  } else {
    BeginConnecting();
  }
  return {};
}

void Sending::BeginConnecting() {
  limited_ = context_.WithTimeout(core_.Options.ConnectTimeout);
  if (core_.Options.Observer.IsEnabled(Severity::Debug)) {
    begun_ = core_.Options.Time->SteadyNow();
  }
  stage_ = Stage::Connect;
}

/// Whether to go where an operation of the key may take its time before TLS is given that key.
bool Sending::IsKeyOutOfReach() const {
  return NoSlowKeys::IsHere() && route_.UsesTls() && state_.Contexts.WouldAskSlowKey(binding_);
}

Step Sending::Connect() {
  try {
    if (!connecting_) {
      if (IsKeyOutOfReach()) {
        return Within(*limited_, {Awaits::Key, {}, Context::TimePoint::max(), "The TLS handshake"});
      }
      auto tls = route_.UsesTls() ? state_.Contexts.For(binding_) : nullptr;
      connecting_.emplace(route_, state_.Contexts, std::move(tls), core_.Options.Limits, driver_);
    }
    auto const step = connecting_->Advance();
    if (step.For != Awaits::Nothing) {
      return Within(*limited_, step);
    }
  } catch (Error const& error) {
    ThrowNotConnected(error);
  }
  auto connection = connecting_->Take();
  connecting_.reset();
  connection->Info().X5tS256 = binding_ ? binding_->X5tS256() : std::string{};
  slot_->Set(std::move(connection));
  TellOpened();
  BeginExchange();
  return {};
}

void Sending::BeginExchange() {
  auto form = route_.Form();
  form.BodyLength = bodyLength_;
  exchange_.emplace(request_, core_.Options, core_.Callbacks, form, binding_ != nullptr, mayBlock_, std::move(*slot_));
  slot_.reset();
  stage_ = Stage::Exchange;
}

Step Sending::Exchange() {
  try {
    auto const step = exchange_->Advance();
    if (step.For != Awaits::Nothing) {
      return Within(context_, step);
    }
    stage_ = Stage::Done;
  } catch (Error const&) {
    if (!MayBeRepeated()) {
      throw;
    }
    lost_ = std::current_exception();
    stage_ = Stage::Rewind;
  }
  return {};
}

/// Before the request is sent once more, on a new connection.
Step Sending::Rewind() {
  if (request_.Body && !rewound_) {
    return Within(context_, {Awaits::Body, {}, Context::TimePoint::max(), "The request"});
  }
  if (request_.Body && !*rewound_) {
    std::rethrow_exception(lost_);
  }
  if (core_.Options.Observer.IsEnabled(Severity::Debug)) {
    driver_.RunForApplication([observer = core_.Options.Observer, host = request_.Target.Host()] {
      observer.Tell(Severity::Debug, "transport.repeated", {{"host", host}});
    });
  }
  exchange_.reset();
  again_ = true;
  stage_ = Stage::Acquire;
  return {};
}

void Sending::ReadBody() noexcept {
  try {
    if (ReadsBody()) {
      PutBody(request_.Body->Read(BodyRoom(), context_));
    } else {
      rewound_ = request_.Body->TryRewind();
    }
  } catch (...) {
    if (ReadsBody()) {
      FailBody(std::current_exception());
    } else {
      rewound_ = false;
    }
  }
}

std::exception_ptr Sending::FindFailure() const {
  bool const isInLine = stage_ == Stage::Acquire && acquiring_;
  return isInLine && context_.IsCancelled() ? std::make_exception_ptr(Cancelled(PoolRequest::What)) : nullptr;
}

void Sending::FreeBuffers() noexcept {
  if (connecting_) {
    connecting_->FreeBuffers();
  } else if (exchange_) {
    exchange_->FreeBuffers();
  }
}

bool Sending::MayBeRepeated() const {
  return !again_ && reused_ && exchange_->ConnectionWasLost() && exchange_->NothingReceived() &&
         (exchange_->NothingSent() || IsIdempotent(request_.Method));
}

void Sending::ThrowNotConnected(Error const& error) const {
  auto details = error.Details();
  details.NothingSent = true;
  if (error.Code() == errors::DeadlineExceeded && !context_.IsExpired()) {
    auto const* const proxy = route_.Through();
    details.What = "No connection to " + route_.Name() +
                   (proxy != nullptr ? " through the proxy " + proxy->Name() : std::string{}) + " was ready within " +
                   std::to_string(core_.Options.ConnectTimeout.count()) + " ms";
    details.Action = "Check that the host is up and reachable, or raise TransportOptions::ConnectTimeout";
  }
  throw Error{std::move(details)};
}

void Sending::ThrowPoolExhausted() const {
  ErrorDetails details{
      errors::PoolExhausted,
      "All connections that the pool allows to " + request_.Target.GetOrigin().ToString() +
          " are in use and none became free in time",
      "Raise PoolOptions::MaximumPerOrigin or MaximumTotal, or read answers to their end sooner"};
  details.NothingSent = true;
  details.Transient = true;
  throw Error{std::move(details)};
}

std::int64_t Sending::MillisecondsSince(Clock::SteadyTime begin) const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(core_.Options.Time->SteadyNow() - begin).count();
}

void Sending::TellOpened() const {
  if (!begun_) {
    return;
  }
  driver_.RunForApplication([observer = core_.Options.Observer, name = route_.Name(), info = slot_->Get().Info(),
                             duration = MillisecondsSince(*begun_)] {
    observer.Tell(
        Severity::Debug, "transport.connected",
        {{"host", name},
         {"connection", static_cast<std::int64_t>(info.Id)},
         {"tls", info.TlsVersion},
         {"resumed", info.Resumed},
         {"duration_ms", duration},
         {"x5t_s256", info.X5tS256}});
  });
}

void Sending::TellWaited() const {
  auto const pool = state_.Pool->Statistics();
  driver_.RunForApplication(
      [observer = core_.Options.Observer, host = std::string{key_.Host}, pool, duration = MillisecondsSince(*begun_)] {
        observer.Tell(
            Severity::Info, "pool.waited",
            {{"host", host},
             {"duration_ms", duration},
             {"in_use", static_cast<std::int64_t>(pool.InUse)},
             {"idle", static_cast<std::int64_t>(pool.Idle)},
             {"waiting", static_cast<std::int64_t>(pool.Waiting)}});
      });
}

}  // namespace mtlspop::openssl
