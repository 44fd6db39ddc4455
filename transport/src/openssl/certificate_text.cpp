#include "openssl/certificate_text.hpp"

#include <ctime>
#include <new>

#include "mtlspop/base/openssl/owners.hpp"
#include "mtlspop/base/saturated_time.hpp"

namespace mtlspop::openssl {

std::optional<std::string> NameText(X509_NAME const* name) {
  BioPtr const out{BIO_new(BIO_s_mem())};
  if (!out || X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253) < 0) return std::nullopt;
  char* text = nullptr;
  auto const length = BIO_get_mem_data(out.get(), &text);
  return std::string{text, static_cast<std::size_t>(length)};
}

std::shared_ptr<ServerCertificate const> DescribeServer(X509 const* certificate) noexcept {
  if (certificate == nullptr) return nullptr;
  try {
    auto subject = NameText(X509_get_subject_name(certificate));
    auto issuer = NameText(X509_get_issuer_name(certificate));
    std::tm end{};
    if (!subject || !issuer || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) != 1) return nullptr;
    return std::make_shared<ServerCertificate const>(
        ServerCertificate{std::move(*subject), std::move(*issuer), ToSaturatedTime(timegm(&end))});
  } catch (std::bad_alloc const&) {
    return nullptr;
  }
}

}  // namespace mtlspop::openssl
