#include "handshake.hpp"

#include "mtlspop/transport/openssl.hpp"
#include "signing.hpp"
#include "transport/transport_test.hpp"

namespace mtlspop::test {

std::string SpeakTls13With(std::shared_ptr<EVP_PKEY> const& key, bool inHandshake) {
  Binding const binding =
      openssl::MakeBindingCertificateFromPem(
          IssueFor(key.get()), openssl::WrapPrivateKey(gsl::make_not_null(key.get())), KeyStrength::Hardware)
          .get();
  auto const options = inHandshake ? AskingTlsServer(TLS1_3_VERSION, TLS1_3_VERSION) : TlsServer(TLS1_3_VERSION);
  ScriptedServer server{options, ServeX5tS256};
  auto const fetched = Fetch(MakeTransport(AllowTls13(TrustingOptions(), server.Url())), Get(server.Url()), binding);
  return fetched.Body == binding->X5tS256() ? fetched.Connection.TlsVersion : "the server saw " + fetched.Body;
}

}  // namespace mtlspop::test
