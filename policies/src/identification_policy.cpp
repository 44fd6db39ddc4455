#include "mtlspop/policies/identification_policy.hpp"

#include <exception>
#include <string>
#include <typeinfo>
#include <utility>

#include <gsl/util>

#include "mtlspop/base/uuid.hpp"
#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/out_of_memory.hpp"
#include "mtlspop/transport/redact.hpp"
#include "mtlspop/version.hpp"

namespace mtlspop {
namespace {

constexpr char const* IdField = "x-ms-client-request-id";
constexpr char const* AgentField = "User-Agent";

/// Puts the fields on a request, and takes off what it put there.
class Marks final {
 public:
  Marks(PipelineRequest& request, std::string const& userAgent)
      : hasId_(request.Message.Fields.Contains(IdField)),
        hasAgent_(userAgent.empty() || request.Message.Fields.Contains(AgentField)),
        sentBefore_(request.Sent) {
    if (!hasId_) request.Message.Fields.Set(IdField, NewUuid());
    if (!hasAgent_) request.Message.Fields.Set(AgentField, userAgent);
  }

  /// The id, "" where no request that bears it can have reached the other side.
  std::string IdThatWasSent(PipelineRequest const& request, Error const& error) const {
    auto const sent = request.Sent - sentBefore_;
    bool const wasSent = sent > 1 || (sent == 1 && !error.Details().NothingSent);
    return wasSent ? std::string{request.Message.Fields.Get(IdField)} : std::string{};
  }

  void TakeOff(PipelineRequest& request) const noexcept {
    if (!hasId_) request.Message.Fields.Remove(IdField);
    if (!hasAgent_) request.Message.Fields.Remove(AgentField);
  }

 private:
  bool hasId_;
  bool hasAgent_;
  int sentBefore_;
};

/// Throws the error that is being handled, with the id of the call in it.
[[noreturn]] void RethrowWithId(Error const& error, std::string_view id) {
  auto const* const nesting = dynamic_cast<std::nested_exception const*>(&error);
  // One of another class would lose what that has.
  bool const isAnother = nesting == nullptr && typeid(error) != typeid(Error);
  if (id.empty() || !error.Details().CorrelationId.empty() || isAnother) throw;
  auto details = error.Details();
  details.CorrelationId = Redact(id);
  if (nesting == nullptr || !nesting->nested_ptr()) throw Error{std::move(details)};
  try {
    nesting->rethrow_nested();
  } catch (...) {
    std::throw_with_nested(Error{std::move(details)});
  }
}

}  // namespace

std::string DefaultUserAgent() { return std::string{"mtlspop/"} + Version + " (" + MTLSPOP_SYSTEM_NAME + ")"; }

std::unique_ptr<Response> IdentificationPolicy::Send(
    PipelineRequest& request, NextHttpPolicy next, Context const& context) const {
  Marks const marks{request, userAgent_};
  try {
    auto response = next.Send(request, context);
    marks.TakeOff(request);
    return response;
  } catch (Error const& error) {
    auto const id = marks.IdThatWasSent(request, error);
    marks.TakeOff(request);
    RethrowWithId(error, id);
  } catch (...) {
    marks.TakeOff(request);
    throw;
  }
}

void IdentificationPolicy::SendAsync(
    std::shared_ptr<PipelineRequest> request,
    NextHttpPolicy next,
    Context const& context,
    Completion<std::unique_ptr<Response>> done) const {
  Marks const marks{*request, userAgent_};
  auto whenTold = [request, marks, done = std::move(done)](Outcome<std::unique_ptr<Response>> outcome) {
    if (outcome.HasValue()) {
      marks.TakeOff(*request);
      return done(std::move(outcome));
    }
    done(OutcomeOf([&] {
      auto const takeOff = gsl::finally([&] { marks.TakeOff(*request); });
      return OrOutOfMemory([&] {
        try {
          return std::move(outcome).Take();
        } catch (Error const& error) {
          RethrowWithId(error, marks.IdThatWasSent(*request, error));
        }
      });
    }));
  };
  try {
    next.SendAsync(request, context, std::move(whenTold));
  } catch (...) {
    // Nothing was begun, so that nothing bears the id.
    marks.TakeOff(*request);
    throw;
  }
}

}  // namespace mtlspop
