#include "gateway/authority.hpp"

#include <algorithm>
#include <string_view>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "gateway/certificate_builder.hpp"
#include "gateway/host_rules.hpp"
#include "mtlspop/transport/error.hpp"

namespace mtlspop::gateway {
namespace {

// For clients whose clocks are a little behind.
constexpr std::chrono::minutes Backdating{5};

openssl::X509Ptr MakeOwnCertificate(
    EVP_PKEY& key, std::vector<std::string> const& names, std::chrono::system_clock::time_point now) {
  if (names.empty()) {
    throw Error{
        {errors::InvalidArgument, "The gateway has no hosts to answer for",
         "Name at least one, for example myvault.vault.azure.net"}};
  }
  return CertificateBuilder{{"mtlspop gateway of this run", now - Backdating, now + Authority::Lifetime}, key, nullptr}
      .Extension(NID_basic_constraints, "critical,CA:TRUE,pathlen:0")
      .Extension(NID_key_usage, "critical,keyCertSign")
      .Extension(NID_ext_key_usage, "serverAuth")
      .Extension(NID_subject_key_identifier, "hash")
      .Extension(NID_name_constraints, NameConstraintsFor(names))
      .Sign(key);
}

int SelectProtocol(
    SSL*,
    unsigned char const** chosen,
    unsigned char* length,
    unsigned char const* offered,
    unsigned int offeredLength,
    void*) {
  static constexpr unsigned char http11[] = "\x08http/1.1";
  unsigned char* match = nullptr;
  auto const found = SSL_select_next_proto(&match, length, http11, sizeof http11 - 1, offered, offeredLength);
  *chosen = match;
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

// The name in the hello has to be the one in CONNECT: what is asked of one host is never said in another's name.
int CheckServerName(SSL* ssl, int* alert, void* host) {
  auto const* const name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (name == nullptr || NormalHost(name) == *static_cast<std::string const*>(host)) return SSL_TLSEXT_ERR_OK;
  *alert = SSL_AD_UNRECOGNIZED_NAME;
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

void Configure(SSL_CTX& context, X509& leaf, EVP_PKEY& key, X509& issuer) {
  CheckOpenSsl(
      SSL_CTX_set_min_proto_version(&context, TLS1_2_VERSION) == 1 && SSL_CTX_use_certificate(&context, &leaf) == 1 &&
          SSL_CTX_use_PrivateKey(&context, &key) == 1 && SSL_CTX_add1_chain_cert(&context, &issuer) == 1,
      "no TLS context");
  SSL_CTX_set_options(&context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(&context, 0);
  SSL_CTX_set_session_cache_mode(&context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(&context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_select_cb(&context, SelectProtocol, nullptr);
}

}  // namespace

std::string NameConstraintsFor(std::vector<std::string> const& permittedNames) {
  std::string constraints = "critical";
  for (auto const& name : permittedNames) constraints += ",permitted;DNS:" + name;
  // Permitted names of one kind leave those of other kinds free (RFC 5280 section 4.2.1.10).
  return constraints + ",excluded;IP:0.0.0.0/0.0.0.0,excluded;IP:0:0:0:0:0:0:0:0/0:0:0:0:0:0:0:0";
}

Authority::Authority(std::vector<std::string> const& permittedNames, std::shared_ptr<Clock> time)
    : permittedNames_(permittedNames),
      time_(std::move(time)),
      key_(MakeKey()),
      leafKey_(MakeKey()),
      certificate_(MakeOwnCertificate(*key_, permittedNames_, time_->Now())) {}

std::string Authority::CertificatePem() const {
  openssl::BioPtr const memory{BIO_new(BIO_s_mem())};
  CheckOpenSsl(memory && PEM_write_bio_X509(memory.get(), certificate_.get()) == 1, "no PEM");
  char* text = nullptr;
  auto const length = BIO_get_mem_data(memory.get(), &text);
  return {text, static_cast<std::size_t>(length)};
}

std::shared_ptr<SSL_CTX> Authority::ContextFor(std::string const& host) {
  if (!Permits(host)) {
    throw Error{
        {errors::InvalidArgument, "The gateway does not answer for " + host,
         "Put the host on the list of hosts that it answers for, or send the request elsewhere"}};
  }
  auto const now = time_->Now();
  std::lock_guard<std::mutex> const lock{mutex_};
  auto const found = leaves_.find(host);
  if (found != leaves_.end() && now < found->second.RenewOn) return found->second.Context;
  auto context = MakeContext(host, now);
  MakeRoom();
  leaves_[host] = {context, now + LeafLifetime / 2};
  return context;
}

bool Authority::Permits(std::string const& host) const {
  return std::any_of(permittedNames_.begin(), permittedNames_.end(), [&](auto const& name) {
    if (host == name) return true;
    auto const end = "." + name;
    return host.size() > end.size() && host.compare(host.size() - end.size(), end.size(), end) == 0;
  });
}

std::shared_ptr<SSL_CTX> Authority::MakeContext(
    std::string const& host, std::chrono::system_clock::time_point now) const {
  auto const leaf = CertificateBuilder{{host, now - Backdating, now + LeafLifetime}, *leafKey_, certificate_.get()}
                        .Extension(NID_basic_constraints, "critical,CA:FALSE")
                        .Extension(NID_key_usage, "critical,digitalSignature")
                        .Extension(NID_ext_key_usage, "serverAuth")
                        .Extension(NID_subject_key_identifier, "hash")
                        .Extension(NID_authority_key_identifier, "keyid:always")
                        .Extension(NID_subject_alt_name, "DNS:" + host)
                        .Sign(*key_);
  // The name lives as long as the context that looks at it.
  struct Owned {
    std::string Host;
    openssl::SslContextPtr Context;
  };
  auto owned = std::make_shared<Owned>(Owned{host, openssl::SslContextPtr{SSL_CTX_new(TLS_server_method())}});
  CheckOpenSsl(owned->Context != nullptr, "no TLS context");
  Configure(*owned->Context, *leaf, *leafKey_, *certificate_);
  SSL_CTX_set_tlsext_servername_callback(owned->Context.get(), CheckServerName);
  SSL_CTX_set_tlsext_servername_arg(owned->Context.get(), &owned->Host);
  return {owned, owned->Context.get()};
}

void Authority::MakeRoom() {
  if (leaves_.size() < MaximumLeaves) return;
  auto const oldest = std::min_element(leaves_.begin(), leaves_.end(), [](auto const& left, auto const& right) {
    return left.second.RenewOn < right.second.RenewOn;
  });
  leaves_.erase(oldest);
}

}  // namespace mtlspop::gateway
