// What tests and people see and steer: /emulator/... and the page, beside IMDS. Needs no Metadata header and leaves no
// trace in the log.
#pragma once

#include <optional>
#include <string>

#include "control_guard.hpp"
#include "service.hpp"
#include "world.hpp"

namespace mtlspop_emulator {

class ConnectionRegistry;
class Faults;
class WireLog;

class ControlService : public Service {
 public:
  ControlService(World& world, WireLog& log, Faults& faults, ConnectionRegistry& connections)
      : _world(world), _log(log), _faults(faults), _connections(connections) {}

  static bool IsFor(Request const& request);

  // The address:port of this and the line printed at start. Before the first request.
  void Begin(std::string const& authority, std::string line) {
    _guard.emplace(authority);
    _startupLine = std::move(line);
  }

  std::string_view Name(Request const&) const override { return "control"; }
  bool IsObserved(Request const&) const override { return false; }
  Response Handle(Exchange& exchange) override;

 private:
  Response Log(Request const& request);
  Response StatisticsOf(Request const& request);
  Response FaultsOf(Request const& request);
  Response Release(Request const& request);
  Response Held(Request const& request);
  Response Apps(Request const& request);
  Response Challenge(Request const& request);
  Response CloseConnections(Request const& request);
  Response Clock(Request const& request);
  Response WireSecrets(Request const& request);
  Response Startup(Request const& request);
  Response Road(Request const& request);
  Response Call(Request const& request);

  World& _world;
  WireLog& _log;
  Faults& _faults;
  ConnectionRegistry& _connections;
  std::string _startupLine;
  std::optional<ControlGuard> _guard;
};

}  // namespace mtlspop_emulator
