#include "mtlspop/transport/binding_certificate.hpp"

#include <utility>

#include "mtlspop/base/encoding.hpp"
#include "mtlspop/transport/required.hpp"

namespace mtlspop {
namespace {

/// Lines of 64 characters, as RFC 7468 wants them.
std::string Base64Lines(BindingCertificate::Der const& bytes) {
  constexpr std::size_t lineLength = 64;
  auto const text = encoding::ToBase64(bytes);
  std::string lines;
  for (std::size_t begin = 0; begin < text.size(); begin += lineLength) {
    if (begin != 0) {
      lines += '\n';
    }
    lines.append(text, begin, lineLength);
  }
  return lines;
}

}  // namespace

std::string_view ToString(KeyStrength strength) noexcept {
  switch (strength) {
    case KeyStrength::Software:
      return "software";
    case KeyStrength::Hardware:
      return "hardware";
    case KeyStrength::KeyGuard:
      return "keyguard";
    case KeyStrength::None:
      break;
  }
  return "none";
}

BindingCertificate::BindingCertificate(Parts parts) : parts_(std::move(parts)) {
  Required(parts_.Key, "BindingCertificate::Parts::Key");
  if (!parts_.Chain.empty() && !parts_.X5tS256.empty()) return;
  throw Error{
      {errors::InvalidArgument, "BindingCertificate::Parts has no certificate, or no x5t#S256",
       "Make the binding certificate with MakeBindingCertificate"}};
}

std::string BindingCertificate::ToPem() const {
  std::string pem;
  for (auto const& certificate : parts_.Chain) {
    pem += "-----BEGIN CERTIFICATE-----\n" + Base64Lines(certificate) + "\n-----END CERTIFICATE-----\n";
  }
  return pem;
}

}  // namespace mtlspop
