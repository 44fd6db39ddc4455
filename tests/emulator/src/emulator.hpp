// All services, listening.
#pragma once

#include <memory>
#include <string>

#include "options.hpp"

namespace mtlspop_emulator {

class Emulator {
 public:
  // Binds the ports and starts to serve; throws where that is not possible.
  explicit Emulator(Options options);
  // Ends every connection and removes the CA file.
  ~Emulator();

  // Endpoints, CA file and identities as one line of JSON.
  std::string const& StartupLine() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> _parts;
};

}  // namespace mtlspop_emulator
