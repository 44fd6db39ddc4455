// All services, listening.
#pragma once

#include <memory>
#include <string>

#include "application_environment.hpp"
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
  // Where the control calls and the page are: http://address:port.
  std::string const& ControlUrl() const;
  // What leads an application here in place of the real services.
  Variables const& Environment() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> _parts;
};

}  // namespace mtlspop_emulator
