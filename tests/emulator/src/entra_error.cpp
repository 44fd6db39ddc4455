#include "entra_error.hpp"

#include <openssl/crypto.h>

#include <cstdlib>
#include <ctime>
#include <nlohmann/json.hpp>

#include "digest.hpp"

namespace mtlspop_emulator {
namespace {

struct KnownError {
  unsigned Code;
  unsigned Status;
  std::string_view Error;
  std::string_view Text;
};

constexpr KnownError KnownErrors[] = {
    {392196, 400, "invalid_request",
     "MtlsClientPopTokenNotSupportedByResource: the resource does not support certificate-bound tokens."},
    {3921996, 400, "invalid_request", "Attested bound tokens are not enabled for this tenant."},
    {1000610, 401, "invalid_client", "The attestation token is not within its valid time range."},
    {1000611, 401, "invalid_client", "The attestation token's issuer is not trusted."},
    {1000612, 401, "invalid_client", "A claim of the attestation token is missing or wrong."},
    {1000613, 401, "invalid_client", "The attestation token's jku is not allowed."},
    {1000614, 401, "invalid_client", "The attestation token's signature is invalid."},
    {500181, 401, "invalid_client",
     "CertificateValidationFailedTlsCertMismatch: the TLS certificate provided does not match the certificate in the "
     "assertion."},
    {1000901, 401, "invalid_client",
     "The certificate is no longer valid for obtaining tokens: token_not_after has passed."},
    {51000, 400, "invalid_request",
     "The required feature 'mTLS client authentication' is disabled for the application."},
    {700027, 401, "invalid_client", "The certificate with the given identifier is not registered on the application."},
    {700016, 400, "unauthorized_client", "The application was not found in the directory."},
    {50196, 429, "temporarily_unavailable", "The server terminated an operation because of a client request loop."},
};

std::string UtcNow() {
  auto const now = std::time(nullptr);
  std::tm parts{};
  OPENSSL_gmtime(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%SZ", &parts);
  return text;
}

}  // namespace

Response EntraError(unsigned status, std::string_view error, unsigned code, std::string_view text) {
  auto const trace = RandomGuid();
  auto const correlation = RandomGuid();
  auto const timestamp = UtcNow();
  std::string const description = "AADSTS" + std::to_string(code) + ": " + std::string(text) + " Trace ID: " + trace +
                                  " Correlation ID: " + correlation + " Timestamp: " + timestamp;
  auto response = JsonResponse(
      status, {{"error", error},
               {"error_description", description},
               {"error_codes", {code}},
               {"timestamp", timestamp},
               {"trace_id", trace},
               {"correlation_id", correlation},
               {"error_uri", "https://login.microsoftonline.com/error?code=" + std::to_string(code)}});
  response.Set("x-ms-request-id", trace);
  return response;
}

Response EntraErrorByCode(std::string_view code) {
  auto const digits = code.find_first_of("0123456789");
  auto const number = digits == std::string_view::npos
                          ? 0U
                          : static_cast<unsigned>(std::strtoul(std::string(code.substr(digits)).c_str(), nullptr, 10));
  for (auto const& known : KnownErrors) {
    if (known.Code == number) {
      return EntraError(known.Status, known.Error, number, known.Text);
    }
  }
  return EntraError(400, "invalid_request", number, "An error armed as a fault.");
}

}  // namespace mtlspop_emulator
