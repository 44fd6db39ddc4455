#include "failure.hpp"

#include <exception>

#include "mtlspop/transport/log.hpp"

namespace mtlspop {
namespace {

ErrorDetails Unexpected(std::string const& what) {
  return {
      errors::SystemFailure, "Something failed that should not: " + what,
      "If it names memory or threads, give the process more of them; otherwise report it together with the log"};
}

void Collect(std::exception const& exception, std::vector<ErrorDetails>& chain) {
  if (auto const* const error = dynamic_cast<Error const*>(&exception)) {
    chain.push_back(error->Details());
  } else {
    chain.push_back(Unexpected(Redact(exception.what())));
  }
  try {
    std::rethrow_if_nested(exception);
  } catch (std::exception const& cause) {
    Collect(cause, chain);
  } catch (...) {
    chain.push_back(Unexpected("an exception that is no std::exception"));
  }
}

}  // namespace

Failure Failure::Current() {
  Failure failure;
  try {
    throw;
  } catch (std::exception const& exception) {
    Collect(exception, failure.chain_);
  } catch (...) {
    failure.chain_.push_back(Unexpected("an exception that is no std::exception"));
  }
  return failure;
}

void Failure::Throw() const { ThrowFrom(0); }

std::exception_ptr Failure::Pointer() const noexcept {
  try {
    Throw();
  } catch (...) {
    return std::current_exception();
  }
}

void Failure::ThrowFrom(std::size_t index) const {
  if (index + 1 == chain_.size()) throw Error{chain_[index]};
  try {
    ThrowFrom(index + 1);
  } catch (...) {
    std::throw_with_nested(Error{chain_[index]});
  }
}

}  // namespace mtlspop
