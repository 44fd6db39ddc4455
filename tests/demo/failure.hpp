#pragma once

#include <stdexcept>
#include <string>

namespace demo {

/// A step that went otherwise than it should.
class Failure : public std::runtime_error {
 public:
  /// `what` failed, and `action` is what the reader can do; both are sentences without the final stop.
  Failure(std::string const& what, std::string const& action) : std::runtime_error(what + ". " + action + ".") {}
};

}  // namespace demo
