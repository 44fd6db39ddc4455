// What stands behind a listener.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "client_certificate.hpp"
#include "http_message.hpp"

namespace mtlspop_emulator {

struct Fault;

// One request on its way through a service, with what the log will say about it.
struct Exchange {
  Request Incoming;
  std::shared_ptr<ClientCertificate const> Certificate;  // Presented on this connection; may be null.
  std::shared_ptr<Fault const> ArmedFault;               // May be null.

  std::string Scheme;         // Of the token: mtls_pop or Bearer.
  std::string TokenX5tS256;   // cnf of the token.
  bool Mismatch = false;      // Token and certificate disagree.
  std::string ClientId;       // Of the identity or app that it is about; the token's where there is one.
  std::string IssuedX5tS256;  // Of the certificate that this call got.
  std::string Error;          // Short code.
};

// Implementations are thread safe.
class Service {
 public:
  Service() = default;
  Service(Service const&) = delete;
  Service& operator=(Service const&) = delete;
  virtual ~Service() = default;

  // The name in log and faults.
  virtual std::string_view Name(Request const& request) const = 0;
  // Whether faults, log and counters apply.
  virtual bool IsObserved(Request const&) const { return true; }
  // With the head read and the body not: whether to ask for the client's certificate now.
  virtual bool WantsCertificate(Request const&) const { return false; }
  // Whether to keep the body, or only to count its bytes.
  virtual bool KeepsBody(Request const&) const { return true; }
  virtual Response Handle(Exchange& exchange) = 0;
};

// Two services on one listener.
class Front : public Service {
 public:
  using Predicate = std::function<bool(Request const&)>;

  // Requests that satisfy the predicate go to `special`. Both services must outlive this.
  Front(Predicate isSpecial, Service& special, Service& ordinary);

  std::string_view Name(Request const& request) const override { return For(request).Name(request); }
  bool IsObserved(Request const& request) const override { return For(request).IsObserved(request); }
  bool WantsCertificate(Request const& request) const override { return For(request).WantsCertificate(request); }
  bool KeepsBody(Request const& request) const override { return For(request).KeepsBody(request); }
  Response Handle(Exchange& exchange) override { return For(exchange.Incoming).Handle(exchange); }

 private:
  Service& For(Request const& request) const { return _isSpecial(request) ? _special : _ordinary; }

  Predicate _isSpecial;
  Service& _special;
  Service& _ordinary;
};

}  // namespace mtlspop_emulator
