#pragma once

/// @file
/// Pointers that must be there, where a caller gives them.

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <gsl/pointers>

#include "mtlspop/transport/error.hpp"

namespace mtlspop {

/// `pointer`, which is not null. `what` names it for the message, for example "TransportOptions::Time".
/// @throw Error `invalid_argument` where it is null
template <typename T>
gsl::not_null<std::shared_ptr<T>> Required(std::shared_ptr<T> pointer, std::string_view what) {
  if (pointer) return gsl::not_null<std::shared_ptr<T>>{std::move(pointer)};
  throw Error{
      {errors::InvalidArgument, std::string{what} + " is null", "Give an object, or leave the default as it is"}};
}

/// The same for a pointer that is borrowed.
template <typename T>
gsl::not_null<T*> Required(T* pointer, std::string_view what) {
  if (pointer != nullptr) return gsl::not_null<T*>{pointer};
  throw Error{{errors::InvalidArgument, std::string{what} + " is null", "Give an object"}};
}

}  // namespace mtlspop
