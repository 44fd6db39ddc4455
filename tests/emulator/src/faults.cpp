#include "faults.hpp"

#include <functional>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace mtlspop_emulator {
namespace {

using nlohmann::json;

constexpr auto Forever = std::numeric_limits<std::uint64_t>::max();

Cut CutFrom(json const& value) {
  auto const text = value.get<std::string>();
  if (text == "after-head") {
    return Cut::AfterHead;
  }
  if (text == "before-response") {
    return Cut::BeforeResponse;
  }
  if (text == "mid-response") {
    return Cut::MidResponse;
  }
  throw std::invalid_argument("cut is none of after-head, before-response, mid-response");
}

std::string RejectionFrom(json const& value) {
  if (value.is_boolean()) {
    return value.get<bool>() ? "revoked" : "";
  }
  auto text = value.get<std::string>();
  if (text != "revoked" && text != "expired" && text != "unknown-ca" && text != "reset") {
    throw std::invalid_argument("reject_handshake is none of true, revoked, expired, unknown-ca, reset");
  }
  return text;
}

using Setter = std::function<void(Fault&, json const&)>;

template <typename Member>
Setter Into(Member Fault::*member) {
  return [member](Fault& fault, json const& value) { fault.*member = value.get<Member>(); };
}

std::map<std::string, Setter> const& EffectSetters() {
  static std::map<std::string, Setter> const setters = {
      {"status", [](Fault& f, json const& v) { f.Status = v.get<unsigned>(); }},
      {"body", [](Fault& f, json const& v) { f.Body = v.is_string() ? v.get<std::string>() : v.dump(); }},
      {"headers",
       [](Fault& f, json const& v) {
         for (auto const& [name, value] : v.items()) {
           f.Headers.push_back({name, value.get<std::string>()});
         }
       }},
      {"delay_ms", [](Fault& f, json const& v) { f.Delay = std::chrono::milliseconds(v.get<unsigned>()); }},
      {"hold", Into(&Fault::Hold)},
      {"cut", [](Fault& f, json const& v) { f.CutAt = CutFrom(v); }},
      {"reset", Into(&Fault::Reset)},
      {"close", Into(&Fault::CloseAfter)},
      {"chunked", Into(&Fault::Chunked)},
      {"malformed_json", Into(&Fault::MalformedJson)},
      {"missing_field", Into(&Fault::MissingField)},
      {"set",
       [](Fault& f, json const& v) {
         for (auto const& [name, value] : v.items()) {
           f.Set.emplace_back(name, value.dump());
         }
       }},
      {"server_header", [](Fault& f, json const& v) { f.ServerHeader = v.get<std::string>(); }},
      {"token_type", [](Fault& f, json const& v) { f.TokenType = v.get<std::string>(); }},
      {"aadsts", Into(&Fault::Aadsts)},
      {"certificate_for_other_key", Into(&Fault::CertificateForOtherKey)},
      {"expired_certificate", Into(&Fault::ExpiredCertificate)},
      {"certificate_without_client_auth", Into(&Fault::CertificateWithoutClientAuth)},
      {"wrong_cnf", Into(&Fault::WrongCnf)},
      {"no_cnf", Into(&Fault::NoCnf)},
      {"not_a_jwt", Into(&Fault::NotAJwt)},
      {"claims_challenge", Into(&Fault::ClaimsChallenge)},
      {"refuse_binding", Into(&Fault::RefusesBinding)},
      {"renegotiate_again", Into(&Fault::RenegotiateAgain)},
      {"reject_handshake", [](Fault& f, json const& v) { f.RejectHandshake = RejectionFrom(v); }},
  };
  return setters;
}

std::map<std::string, Setter> const& MatchSetters() {
  static std::map<std::string, Setter> const setters = {
      {"path", Into(&Fault::Path)},
      {"service", Into(&Fault::Service)},
      {"method", Into(&Fault::Method)},
      {"query", Into(&Fault::Query)},
      {"with_header", Into(&Fault::WithHeader)},
      {"skip", Into(&Fault::Skip)},
      {"count", [](Fault& f, json const& v) { f.Count = v.get<int>() < 0 ? Forever : v.get<std::uint64_t>(); }},
  };
  return setters;
}

// A misspelt member would make a test pass for the wrong reason.
void ApplySetter(
    std::map<std::string, Setter> const& setters, Fault& fault, std::string const& key, json const& value) {
  auto const setter = setters.find(key);
  if (setter == setters.end()) {
    throw std::invalid_argument("unknown member '" + key + "'");
  }
  try {
    setter->second(fault, value);
  } catch (json::exception const& error) {
    throw std::invalid_argument("member '" + key + "': " + error.what());
  }
}

Fault FaultFrom(json const& description) {
  if (!description.is_object() || !description.contains("fault") || !description["fault"].is_object()) {
    throw std::invalid_argument("expected an object with an object 'fault'");
  }
  Fault fault;
  fault.Text = description["fault"].dump();
  for (auto const& [key, value] : description.items()) {
    if (key != "fault") {
      ApplySetter(MatchSetters(), fault, key, value);
    }
  }
  for (auto const& [key, value] : description["fault"].items()) {
    ApplySetter(EffectSetters(), fault, key, value);
  }
  return fault;
}

bool Matches(Fault const& fault, std::string_view service, Request const& request) {
  return fault.RejectHandshake.empty() && request.Path.compare(0, fault.Path.size(), fault.Path) == 0 &&
         (fault.Service.empty() || fault.Service == service) &&
         (fault.Method.empty() || fault.Method == request.Method) &&
         (fault.Query.empty() || request.Query.find(fault.Query) != std::string::npos) &&
         (fault.WithHeader.empty() || request.Has(fault.WithHeader));
}

}  // namespace

void Faults::Arm(json const& description) {
  auto fault = FaultFrom(description);
  std::lock_guard const lock(_mutex);
  _armed.push_back(std::move(fault));
  _any = true;
}

void Faults::Clear() {
  {
    std::lock_guard const lock(_mutex);
    _armed.clear();
    _any = false;
  }
  Release();
}

json Faults::Describe() const {
  std::lock_guard const lock(_mutex);
  json list = json::array();
  for (auto const& fault : _armed) {
    list.push_back(
        {{"path", fault.Path},
         {"service", fault.Service},
         {"skip", fault.Skip},
         {"count", fault.Count == Forever ? json(-1) : json(fault.Count)},
         {"fault", json::parse(fault.Text)}});
  }
  return list;
}

unsigned Faults::Held() const {
  std::lock_guard const lock(_mutex);
  return _held;
}

template <typename Matches>
std::shared_ptr<Fault const> Faults::TakeFirst(Matches matches) {
  if (!_any) {
    return nullptr;
  }
  std::lock_guard const lock(_mutex);
  for (auto fault = _armed.begin(); fault != _armed.end(); ++fault) {
    if (!matches(*fault)) {
      continue;
    }
    if (fault->Skip > 0) {
      --fault->Skip;
      continue;
    }
    auto const taken = std::make_shared<Fault>(*fault);
    taken->Releases = _releases;
    if (fault->Count != Forever && --fault->Count == 0) {
      _armed.erase(fault);
      _any = !_armed.empty();
    }
    return taken;
  }
  return nullptr;
}

std::shared_ptr<Fault const> Faults::Take(std::string_view service, Request const& request) {
  return TakeFirst([&](Fault const& fault) { return Matches(fault, service, request); });
}

std::shared_ptr<Fault const> Faults::TakeForHandshake(std::string_view service) {
  return TakeFirst([&](Fault const& fault) {
    return !fault.RejectHandshake.empty() && (fault.Service.empty() || fault.Service == service);
  });
}

void Faults::GiveBack(Fault const& fault) {
  if (fault.Count == Forever) {
    return;
  }
  std::lock_guard const lock(_mutex);
  auto& again = _armed.emplace_front(fault);
  again.Count = 1;
  again.Skip = 0;
  _any = true;
}

void Faults::Wait(Fault const& fault) {
  std::unique_lock lock(_mutex);
  if (fault.Delay.count() > 0) {
    _changed.wait_for(lock, fault.Delay, [&] { return _stopped; });
  }
  if (fault.Hold) {
    ++_held;
    _changed.notify_all();
    _changed.wait(lock, [&] { return _stopped || _releases != fault.Releases; });
    --_held;
  }
}

void Faults::Release() {
  std::lock_guard const lock(_mutex);
  ++_releases;
  _changed.notify_all();
}

unsigned Faults::WaitUntilHeld(unsigned atLeast, std::chrono::milliseconds timeout) {
  std::unique_lock lock(_mutex);
  _changed.wait_for(lock, timeout, [&] { return _stopped || _held >= atLeast; });
  return _held;
}

void Faults::Stop() {
  std::lock_guard const lock(_mutex);
  _stopped = true;
  _changed.notify_all();
}

}  // namespace mtlspop_emulator
