#include "mtlspop/transport/response.hpp"

namespace mtlspop {

std::string_view ToString(CertificateAsked asked) noexcept {
  switch (asked) {
    case CertificateAsked::Never:
      return "never";
    case CertificateAsked::InFirstHandshake:
      return "in_first_handshake";
    case CertificateAsked::ByRenegotiation:
      return "by_renegotiation";
    case CertificateAsked::AfterHandshake:
      return "after_handshake";
    case CertificateAsked::NotKnown:
      break;
  }
  return "not_known";
}

}  // namespace mtlspop
