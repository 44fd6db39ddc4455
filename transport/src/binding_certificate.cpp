#include "mtlspop/transport/binding_certificate.hpp"

#include <utility>

#include <gsl/assert>

namespace mtlspop {
namespace {

/// RFC 4648 section 4, lines of 64 characters as RFC 7468 wants them.
std::string Base64Lines(BindingCertificate::Der const& bytes) {
  static constexpr char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t index = 0; index < bytes.size(); index += 3) {
    if (index != 0 && index % 48 == 0) {
      text += '\n';
    }
    auto const left = bytes.size() - index;
    unsigned const group = static_cast<unsigned>(bytes[index]) << 16U |
                           (left > 1 ? static_cast<unsigned>(bytes[index + 1]) << 8U : 0U) |
                           (left > 2 ? static_cast<unsigned>(bytes[index + 2]) : 0U);
    text += alphabet[group >> 18U & 63U];
    text += alphabet[group >> 12U & 63U];
    text += left > 1 ? alphabet[group >> 6U & 63U] : '=';
    text += left > 2 ? alphabet[group & 63U] : '=';
  }
  return text;
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
  Expects(!parts_.Chain.empty() && parts_.Key != nullptr && !parts_.X5tS256.empty());
}

std::string BindingCertificate::ToPem() const {
  std::string pem;
  for (auto const& certificate : parts_.Chain) {
    pem += "-----BEGIN CERTIFICATE-----\n" + Base64Lines(certificate) + "\n-----END CERTIFICATE-----\n";
  }
  return pem;
}

}  // namespace mtlspop
