#include "mtlspop/azure/http_transport.hpp"

#include <exception>
#include <string>
#include <utility>

#include <azure/core/http/http.hpp>

#include "azure_context.hpp"
#include "azure_failure.hpp"
#include "azure_observer.hpp"
#include "body_streams.hpp"
#include "bound_travel.hpp"
#include "mtlspop/base/saturated_time.hpp"
#include "mtlspop/policies/errors.hpp"
#include "mtlspop/transport/environment.hpp"
#include "mtlspop/transport/out_of_memory.hpp"

namespace mtlspop::azure {
namespace {

using Azure::Core::Http::HttpStatusCode;
using Azure::Core::Http::RawResponse;

// What the transport writes by itself, from the body and the connection.
bool IsTransportsOwn(std::string_view name) noexcept {
  return EqualsIgnoreCase(name, "content-length") || EqualsIgnoreCase(name, "transfer-encoding") ||
         EqualsIgnoreCase(name, "connection");
}

std::shared_ptr<RequestBody> BodyOf(Azure::Core::Http::Request& request, Azure::Core::Context const& context) {
  auto* const body = request.GetBodyStream();
  return body != nullptr && body->Length() != 0 ? std::make_shared<RequestBody>(*body, context) : nullptr;
}

void AddBody(std::shared_ptr<RequestBody> const& body, mtlspop::Request& to) {
  if (body) {
    to.Body = body;
  } else if (to.Method == "POST" || to.Method == "PUT" || to.Method == "PATCH") {
    // Servers want to be told that there is no body where one is usual.
    to.SetBody({});
  }
}

mtlspop::Request Translate(Azure::Core::Http::Request& from, std::shared_ptr<RequestBody> const& body) {
  mtlspop::Request request{from.GetMethod().ToString(), Url::Parse(from.GetUrl().GetAbsoluteUrl())};
  auto headers = from.GetHeaders();
  request.Fields.Reserve(headers.size());
  for (auto& [name, value] : headers) {
    if (EqualsIgnoreCase(name, "expect") && EqualsIgnoreCase(value, "100-continue")) {
      request.ExpectContinue = true;
    } else if (!IsTransportsOwn(name)) {
      request.Fields.Add(name, std::move(value));
    }
  }
  AddBody(body, request);
  return request;
}

// Azure has one value for each name. Fields of the same name make up a list (RFC 9110 section 5.3), for example of
// challenges; cookies do not, and of those Azure's own transports keep the last one too.
void AddField(RawResponse& response, std::string const& name, std::string const& value) {
  auto const& fields = response.GetHeaders();
  auto const before = fields.find(name);
  auto const isList = before != fields.end() && !EqualsIgnoreCase(name, "set-cookie");
  response.SetHeader(name, isList ? before->second + ", " + value : value);
}

std::unique_ptr<RawResponse> Translate(std::unique_ptr<Response> from, BodyLimits const& limits) {
  auto response =
      std::make_unique<RawResponse>(1, 1, static_cast<HttpStatusCode>(from->StatusCode), from->ReasonPhrase);
  for (auto const& [name, value] : from->Fields) AddField(*response, name, value);
  response->SetBodyStream(std::make_unique<ResponseBody>(std::move(from->Body), limits));
  return response;
}

// What Azure's transport policy reads to its end.
bool IsBuffered(Azure::Core::Http::Request const& request, Response const& response) noexcept {
  return request.ShouldBufferResponse() || response.StatusCode >= 300;
}

// Puts the token where its placeholder stands. A placeholder that came without its token, or the other way round, has lost
// its way.
void PutTokenIn(mtlspop::Request& request, BoundTravel const* travel) {
  auto const isPrepared = request.Fields.Get("authorization") == TokenPlaceholder;
  if (isPrepared && travel != nullptr) {
    request.Fields.Set("authorization", travel->Token.AuthorizationHeader());
  } else if (isPrepared || travel != nullptr) {
    throw Error{
        {errors::BoundTokenWithoutBinding,
         "a bound request to " + request.Target.Host() + " lost its token or its certificate on the way",
         "Check that no policy replaces the context or the Authorization field that UseTokenBinding's policy has set"}};
  }
}

// A request with a body has all the time it needs as long as the server takes more of it.
mtlspop::Context Limited(mtlspop::Context const& context, RequestBody const* body, std::chrono::milliseconds limit) {
  if (body == nullptr || limit.count() == 0) return WithLimit(context, limit);
  return context.WithCancellationProbe(
      [progress = body->GetProgress(), limit] { return progress->IsOlderThan(limit); });
}

[[noreturn]] void ThrowStandsStill(
    mtlspop::Request const& request, std::chrono::milliseconds limit, Error const& error) {
  auto details = error.Details();
  details.Code = errors::DeadlineExceeded;
  details.What = request.Target.Host() + " has let the request wait for " + std::to_string(limit.count()) + " ms";
  details.Action = "Check whether the service is slow or out of reach, or raise NetworkLimits::NetworkTimeout";
  details.Transient = true;
  throw Error{std::move(details)};
}

std::unique_ptr<Response> SendWithin(
    std::chrono::milliseconds limit,
    mtlspop::HttpTransport& transport,
    mtlspop::Request& request,
    std::shared_ptr<BindingCertificate const> const& binding,
    RequestBody const* body,
    mtlspop::Context const& context) {
  auto const limited = Limited(context, body, limit);
  try {
    return transport.Send(request, binding, limited);
  } catch (Error const& error) {
    auto const isCallers = context.IsCancelled() || context.IsExpired();
    if (isCallers || !(limited.IsCancelled() || limited.IsExpired())) throw;
    ThrowStandsStill(request, limit, error);
  }
}

std::unique_ptr<RawResponse> AnswerProbe(BoundTravel& travel) {
  travel.HasArrived = true;
  auto response = std::make_unique<RawResponse>(1, 1, HttpStatusCode::NoContent, "No Content");
  response->SetBodyStream(std::make_unique<ResponseBody>(std::make_unique<MemoryBody>(std::string{}), BodyLimits{}));
  return response;
}

}  // namespace

Azure::Core::Context::Key const& BoundTravelKey() {
  static Azure::Core::Context::Key const key;
  return key;
}

HttpTransport::HttpTransport(std::shared_ptr<mtlspop::HttpTransport> transport, NetworkLimits const& limits)
    : transport_(transport ? std::move(transport) : DefaultHttpTransport().get()), limits_(limits) {
  FeedAzure();
  limits_.NetworkTimeout = AtMostTenYears(limits_.NetworkTimeout);
  if (limits.NetworkTimeout.count() >= 0) return;
  throw Error{
      {errors::InvalidArgument, "NetworkLimits::NetworkTimeout is negative", "Set it to a time, or to 0 for no limit"}};
}

std::unique_ptr<RawResponse> HttpTransport::Send(
    Azure::Core::Http::Request& request, Azure::Core::Context const& context) {
  std::shared_ptr<BoundTravel> travel;
  context.TryGetValue(BoundTravelKey(), travel);
  if (travel && travel->IsProbe) return AnswerProbe(*travel);
  auto const body = BodyOf(request, context);
  try {
    return OrOutOfMemory([&] {
      auto message = Translate(request, body);
      PutTokenIn(message, travel.get());
      auto response = SendWithin(
          limits_.NetworkTimeout, *transport_, message, travel ? travel->Token.Binding : nullptr, body.get(),
          FromAzure(context));
      if (travel) travel->Connection = response->Connection;
      BodyLimits limits{limits_.NetworkTimeout, {}};
      if (IsBuffered(request, *response)) limits.Bytes = limits_.BufferedBodyBytes;
      return Translate(std::move(response), limits);
    });
  } catch (Error const& error) {
    // The application's own exception, which is not ours to change.
    if (body && body->Failure()) std::rethrow_exception(body->Failure());
    if (travel) travel->Failure = error;
    ThrowAsRequestFailure(error, context);
  }
}

}  // namespace mtlspop::azure
