#include "mtlspop/policies/binding_verdict.hpp"

#include <array>
#include <utility>

namespace mtlspop {

BindingVerdict ReadBindingVerdict(std::string_view body) noexcept {
  constexpr std::array<std::pair<std::string_view, BindingVerdict>, 7> Known{{
      {"[MtlsCnfClaimRequestDataValidationFailed]", BindingVerdict::CheckFailed},
      {"CertificateValidationFailedTlsCertMismatch", BindingVerdict::NoLongerGood},
      {"AADSTS500181", BindingVerdict::NoLongerGood},
      {"AADSTS1000901", BindingVerdict::NoLongerGood},
      {"MtlsClientPopTokenNotSupportedByResource", BindingVerdict::NotSupported},
      {"AADSTS392196", BindingVerdict::NotSupported},
      {"MissingClientCertificate", BindingVerdict::CertificateMissing},
  }};
  for (auto const& [text, verdict] : Known) {
    if (body.find(text) != std::string_view::npos) return verdict;
  }
  return BindingVerdict::None;
}

}  // namespace mtlspop
