#include <array>

#include "examination.hpp"
#include "platform.hpp"
#include "text.hpp"

namespace mtlspop::command {
namespace {

/// One kind of key.
struct Tier {
  std::string Step;
  std::shared_ptr<KeyProvider> Keys;
  /// Whether the identity's key is to come from here, so that it has to work.
  bool IsWanted = false;
};

Finding Try(Tier const& tier, Context const& context) {
  using Clock = std::chrono::steady_clock;
  Finding finding{tier.Step};
  try {
    auto const begin = Clock::now();
    auto const key = tier.Keys->GetOrCreateKey({}, context);
    auto const made = Clock::now();
    std::array<std::uint8_t, 32> const data{};
    key->SignPssSha256(data);
    auto const signedAt = Clock::now();
    finding.Figure = "A key of strength " + std::string{ToString(key->Strength())} + " was there in " +
                     FormatDuration(made - begin) + " and signs in " + FormatDuration(signedAt - made);
    finding.Facts["strength"] = ToString(key->Strength());
    finding.Facts["signature_microseconds"] =
        std::chrono::duration_cast<std::chrono::microseconds>(signedAt - made).count();
  } catch (Error const& error) {
    finding = Failure(tier.Step, "No key", error);
    if (!tier.IsWanted) {
      finding.Is = Verdict::Note;
      finding.Exit = ExitCode::Success;
      finding.Action.clear();
    }
  }
  return finding;
}

Finding Absent(std::string step, std::string why) { return {std::move(step), Verdict::Skipped, std::move(why)}; }

Finding TryToken(IdentityOptions const& identity, bool isWanted, Context const& context) {
  if (!isWanted) return Absent("key_pkcs11", "No token is named (--key pkcs11:URI)");
  try {
    return Try({"key_pkcs11", MakeKeys(identity), true}, context);
  } catch (Error const& error) {
    return Failure("key_pkcs11", "No key", error);
  }
}

}  // namespace

std::vector<Finding> ExamineKeys(Examination const& examination) {
  auto const& identity = examination.Identity;
  auto const& context = examination.Until;
  auto const isManaged = UsesManagedIdentity(identity);
  auto const isIn = [&](char const* place) { return isManaged && identity.Key.compare(0, 6, place, 0, 6) == 0; };
  std::vector<Finding> findings;
  for (auto const& tier : DeviceKeyTiers()) {
    if (!tier.Keys) {
      findings.push_back(Absent(tier.Step, tier.WhyNot));
      continue;
    }
    auto const isTpm = tier.Step == "key_tpm";
    findings.push_back(Try({tier.Step, tier.Keys(), isTpm && isIn("tpm")}, context));
  }
  findings.push_back(TryToken(identity, isIn("pkcs11"), context));
  auto const isSoftware = isManaged && (identity.Key == "default" || identity.Key == "software");
  findings.push_back(Try({"key_software", MakeSoftwareKeyProvider().get(), isSoftware}, context));
  return findings;
}

}  // namespace mtlspop::command
