#include "replacement_limit.hpp"

#include "mtlspop/credential/errors.hpp"

namespace mtlspop {

ReplacementLimit::Verdict ReplacementLimit::Hear(std::string const& keyId, Clock::SteadyTime now) {
  std::lock_guard<std::mutex> const lock{mutex_};
  if (!replaced_ || now - *replaced_ >= Interval) {
    replaced_ = now;
    keyId_ = keyId;
    return Verdict::Replace;
  }
  return keyId == keyId_ && now - *replaced_ < Grace ? Verdict::UnderWay : Verdict::TooSoon;
}

Error RefusedTooSoon() {
  return Error{
      {errors::BindingRejected,
       "The binding certificate was refused again, though it was replaced for that reason less than " +
           std::to_string(ReplacementLimit::Interval.count()) + " minutes ago",
       "Another certificate does not help, so none was asked for. Look at the one who refuses: is it the resource you "
       "mean, does something on the way end TLS, is its clock right? Others go on using the certificate"}};
}

}  // namespace mtlspop
