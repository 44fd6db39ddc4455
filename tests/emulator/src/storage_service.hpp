// Blob storage behind bound tokens, for requests and answers of any size.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "resource_guard.hpp"
#include "service.hpp"

namespace mtlspop_emulator {

// GET, HEAD, PUT and DELETE of /{container}/{blob}, and the list of a container. Containers need not be made. Two containers are special: what is put into `discard` is counted
// and dropped, and /generated/{n} reads as n bytes, so that sizes beyond memory can be tried.
class StorageService : public Service {
 public:
  explicit StorageService(World& world) : _world(world), _guard(world, {false, "BearerNotAllowed"}) {}

  // Whether the request is for this service: by its host name.
  static bool IsFor(Request const& request);

  std::string_view Name(Request const&) const override { return "blob"; }
  bool WantsCertificate(Request const& request) const override { return ResourceGuard::CarriesBoundToken(request); }
  bool KeepsBody(Request const& request) const override;
  Response Handle(Exchange& exchange) override;

 private:
  Response Dispatch(Exchange& exchange);
  Response Refuse(ResourceRefusal const& refusal) const;
  Response Serve(Request& request);
  Response Put(Request& request);
  Response Get(Request const& request) const;
  Response Delete(Request const& request);
  Response List(Request const& request) const;

  World& _world;
  ResourceGuard const _guard;
  mutable std::mutex _mutex;
  std::map<std::string, std::shared_ptr<std::string const>> _blobs;  // By /container/name, decoded.
};

}  // namespace mtlspop_emulator
