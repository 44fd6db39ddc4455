#pragma once

/// @file
/// What the steps of `mtlspop doctor` share, and the steps.

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "finding.hpp"
#include "mtlspop/base/http_date.hpp"
#include "observed_transport.hpp"
#include "resource_options.hpp"
#include "subcommand.hpp"

namespace mtlspop::command {

/// One answer, as far as it is of interest later.
struct Seen {
  Origin From;
  std::string Server;
  /// What the answer's `Date` says, less this machine's clock at that time.
  std::optional<std::chrono::seconds> ClockDifference;
  std::chrono::nanoseconds Took{};
  int Status = 0;
};

/// Remembers what a transport saw.
///
/// Thread safety: all members may be called from any thread.
class Sightings final {
 public:
  void Add(Exchange const& exchange);
  std::vector<Seen> All() const;

 private:
  mutable std::mutex mutex_;
  std::vector<Seen> all_;
};

/// One run of the doctor.
struct Examination {
  IdentityOptions Identity;
  ConnectionOptions Connection;
  /// None where no URL was given.
  std::optional<Url> Target;
  /// Empty where the resource has to be asked.
  std::vector<std::string> Scopes;
  /// Through `Sightings`.
  CredentialSurroundings Surroundings;
  std::shared_ptr<Sightings> Saw;
  Context Until;
};

/// Environment variables in force.
Finding ExamineEnvironment(Examination const& examination);
/// Who answers as the metadata service, how fast, what it can do, and what the machine is.
Finding ExamineMetadataService(Examination const& examination);
/// Each kind of key, with a trial signature.
std::vector<Finding> ExamineKeys(Examination const& examination);
/// The certificate and what the token says.
std::vector<Finding> ExamineToken(Examination const& examination, AccessToken const& token);
/// The URL: how the connection was made, and what was answered.
/// @param credential what it gave last is asked of `ObservedCredential`
std::vector<Finding> ExamineUrl(Examination const& examination, std::shared_ptr<TokenCredential> const& credential);
/// This machine's clock against all services that answered.
Finding ExamineClock(Examination const& examination);

}  // namespace mtlspop::command
