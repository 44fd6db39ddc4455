// Faults that a test arms for the next calls of a path.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "http_message.hpp"

namespace mtlspop_emulator {

enum class Cut { None, AfterHead, BeforeResponse, MidResponse };

struct Fault {
  // Which calls it is for; an empty member matches all.
  std::string Path;  // A prefix.
  std::string Service;
  std::string Method;
  std::string Query;       // Contained in the query.
  std::string WithHeader;  // The name of a header that the call has; probes of IMDS have no Metadata.
  std::uint64_t Skip = 0;
  std::uint64_t Count = 1;

  std::string Text;  // What happens, as it was armed.
  std::optional<unsigned> Status;
  std::string Body;
  std::vector<Header> Headers;
  std::chrono::milliseconds Delay{0};
  bool Hold = false;
  std::uint64_t Releases = 0;  // How many there had been when a call took this one; a later one lets it go.
  Cut CutAt = Cut::None;
  bool Reset = false;  // A cut ends in a TCP reset instead of an orderly end.
  bool CloseAfter = false;
  bool Chunked = false;
  bool MalformedJson = false;
  std::string MissingField;
  std::vector<std::pair<std::string, std::string>> Set;  // Members of the answer, and their JSON.
  std::optional<std::string> ServerHeader;
  std::optional<std::string> TokenType;
  std::string Aadsts;
  bool CertificateForOtherKey = false;
  bool ExpiredCertificate = false;
  bool CertificateWithoutClientAuth = false;
  bool WrongCnf = false;
  bool NoCnf = false;
  bool NotAJwt = false;
  bool ClaimsChallenge = false;
  bool RefusesBinding = false;
  unsigned RenegotiateAgain = 0;
  std::string RejectHandshake;  // revoked, expired, unknown-ca, reset
};

// Thread safe.
class Faults {
 public:
  // Throws std::invalid_argument, saying what is wrong with the description.
  void Arm(nlohmann::json const& description);
  void Clear();
  nlohmann::json Describe() const;
  // How many calls are held now.
  unsigned Held() const;

  // The fault armed for this call, used up by one.
  std::shared_ptr<Fault const> Take(std::string_view service, Request const& request);
  // The same for a TLS handshake.
  std::shared_ptr<Fault const> TakeForHandshake(std::string_view service);
  // A fault that was taken and had nothing to hit is armed again, before all others.
  void GiveBack(Fault const& fault);

  // Waits as long as the fault says, or until Stop().
  void Wait(Fault const& fault);
  void Release();
  // Waits until that many calls are held; returns how many are.
  unsigned WaitUntilHeld(unsigned atLeast, std::chrono::milliseconds timeout);
  void Stop();

 private:
  template <typename Matches>
  std::shared_ptr<Fault const> TakeFirst(Matches matches);

  mutable std::mutex _mutex;
  std::condition_variable _changed;
  std::list<Fault> _armed;
  std::atomic<bool> _any{false};
  std::uint64_t _releases = 0;
  unsigned _held = 0;
  bool _stopped = false;
};

}  // namespace mtlspop_emulator
