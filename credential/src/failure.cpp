#include "failure.hpp"

#include <exception>
#include <new>

#include "mtlspop/transport/redact.hpp"

namespace mtlspop {
namespace {

ErrorDetails Unexpected(std::string const& what) {
  return {
      errors::SystemFailure, "Something failed that should not: " + what,
      "If it names memory or threads, give the process more of them; otherwise report it together with the log"};
}

ErrorDetails OutOfMemory() {
  ErrorDetails details{
      errors::SystemFailure, "There was no memory to get a token",
      "Give the process more memory (ulimit -v, the cgroup's memory.max), or look for what takes it"};
  details.Transient = true;
  return details;
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

void CollectCurrent(std::vector<ErrorDetails>& chain) {
  try {
    throw;
  } catch (std::bad_alloc const&) {
    chain.push_back(OutOfMemory());
  } catch (std::exception const& exception) {
    Collect(exception, chain);
  } catch (...) {
    chain.push_back(Unexpected("an exception that is no std::exception"));
  }
}

// Before main(), while there is memory.
auto const outOfMemoryChain = std::make_shared<std::vector<ErrorDetails> const>(1, OutOfMemory());

}  // namespace

Failure Failure::Current() noexcept {
  Failure failure;
  try {
    auto chain = std::make_shared<Chain>();
    CollectCurrent(*chain);
    failure.chain_ = std::move(chain);
  } catch (...) {
    failure.chain_ = outOfMemoryChain;
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
  if (index + 1 == chain_->size()) throw Error{(*chain_)[index]};
  try {
    ThrowFrom(index + 1);
  } catch (...) {
    std::throw_with_nested(Error{(*chain_)[index]});
  }
}

}  // namespace mtlspop
