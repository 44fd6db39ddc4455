#include "mtlspop/policies/identification_policy.hpp"

#include <exception>
#include <string>
#include <typeinfo>
#include <utility>

#include "mtlspop/base/uuid.hpp"
#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/redact.hpp"
#include "mtlspop/version.hpp"

namespace mtlspop {
namespace {

constexpr char const* IdField = "x-ms-client-request-id";
constexpr char const* AgentField = "User-Agent";

/// Puts the fields on a request, and takes off what it put there.
class Marks final {
 public:
  Marks(Headers& fields, std::string const& userAgent)
      : hasId_(fields.Contains(IdField)), hasAgent_(userAgent.empty() || fields.Contains(AgentField)) {
    if (!hasId_) fields.Set(IdField, NewUuid());
    if (!hasAgent_) fields.Set(AgentField, userAgent);
  }

  void TakeOff(Headers& fields) const noexcept {
    if (!hasId_) fields.Remove(IdField);
    if (!hasAgent_) fields.Remove(AgentField);
  }

 private:
  bool hasId_;
  bool hasAgent_;
};

/// Throws the error that is being handled, with the id of the call in it.
[[noreturn]] void RethrowWithId(Error const& error, std::string_view id) {
  auto const* const nesting = dynamic_cast<std::nested_exception const*>(&error);
  // One of another class would lose what that has.
  bool const isAnother = nesting == nullptr && typeid(error) != typeid(Error);
  if (!error.Details().CorrelationId.empty() || isAnother) throw;
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
  auto& fields = request.Message.Fields;
  Marks const marks{fields, userAgent_};
  try {
    auto response = next.Send(request, context);
    marks.TakeOff(fields);
    return response;
  } catch (Error const& error) {
    std::string const id{fields.Get(IdField)};
    marks.TakeOff(fields);
    RethrowWithId(error, id);
  } catch (...) {
    marks.TakeOff(fields);
    throw;
  }
}

void IdentificationPolicy::SendAsync(
    std::shared_ptr<PipelineRequest> request,
    NextHttpPolicy next,
    Context const& context,
    Completion<std::unique_ptr<Response>> done) const {
  Marks const marks{request->Message.Fields, userAgent_};
  next.SendAsync(
      request, context, [request, marks, done = std::move(done)](Outcome<std::unique_ptr<Response>> outcome) {
        auto& fields = request->Message.Fields;
        std::string const id{outcome.HasValue() ? std::string_view{} : fields.Get(IdField)};
        marks.TakeOff(fields);
        if (outcome.HasValue()) return done(std::move(outcome));
        done(OutcomeOf([&] {
          try {
            return std::move(outcome).Take();
          } catch (Error const& error) {
            RethrowWithId(error, id);
          }
        }));
      });
}

}  // namespace mtlspop
