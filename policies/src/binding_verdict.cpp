#include "mtlspop/policies/binding_verdict.hpp"

#include <array>

namespace mtlspop {
namespace {

struct Saying {
  std::string_view Text;
  BindingVerdict Verdict;
  // Has to stand there too; "" for nothing.
  std::string_view Inside{};
};

constexpr std::array<Saying, 10> Known{{
    {"[MtlsCnfClaimRequestDataValidationFailed]", BindingVerdict::CheckFailed},
    {"S2S17001", BindingVerdict::CheckFailed, "[AggregatedAuthenticationFailure]"},
    {"CertificateValidationFailedTlsCertMismatch", BindingVerdict::NoLongerGood},
    {"AADSTS500181", BindingVerdict::NoLongerGood},
    {"AADSTS1000901", BindingVerdict::NoLongerGood},
    {"MtlsClientPopTokenNotSupportedByResource", BindingVerdict::NotSupported},
    {"AADSTS392196", BindingVerdict::NotSupported},
    {"MissingClientCertificate", BindingVerdict::CertificateMissing},
    {"Client certificate required for using MTLS_POP token", BindingVerdict::CertificateMissing},
    {"BearerAuthenticationDisabledForKeyVault", BindingVerdict::BearerNotTaken},
}};

// Whether `text` stands in `body`, and not as the beginning of a longer number.
bool Says(std::string_view body, std::string_view text) noexcept {
  for (auto at = body.find(text); at != std::string_view::npos; at = body.find(text, at + 1)) {
    auto const after = at + text.size() < body.size() ? body[at + text.size()] : '\0';
    if (after < '0' || after > '9') return true;
  }
  return false;
}

}  // namespace

BindingVerdict ReadBindingVerdict(std::string_view body) noexcept {
  for (auto const& [text, verdict, inside] : Known) {
    if (Says(body, text) && body.find(inside) != std::string_view::npos) return verdict;
  }
  return BindingVerdict::None;
}

}  // namespace mtlspop
