#pragma once

/// @file
/// What a call threw, as a text that an expectation can print.

#include <exception>
#include <optional>
#include <string>

#include "mtlspop/transport/error.hpp"

namespace mtlspop::test {

/// The name of the code of the `Error` that `call` throws; "no error" where it returns, and what else it threw
/// otherwise.
template <typename Call>
std::string ErrorCodeOf(Call&& call) {
  try {
    call();
  } catch (Error const& error) {
    return std::string{error.Code().Name()};
  } catch (std::exception const& other) {
    return std::string{"not an mtlspop::Error: "} + other.what();
  }
  return "no error";
}

/// The text of what `call` throws and of its causes; "no error" where it returns.
template <typename Call>
std::string TextOfFailure(Call&& call) {
  try {
    call();
  } catch (std::exception const& error) {
    return DescribeWithCauses(error);
  }
  return "no error";
}

/// The `Error` that `call` throws, none where it returns.
template <typename Call>
std::optional<Error> ErrorOf(Call&& call) {
  try {
    call();
  } catch (Error const& error) {
    return error;
  }
  return std::nullopt;
}

}  // namespace mtlspop::test
