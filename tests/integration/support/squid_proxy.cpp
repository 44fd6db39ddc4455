#include "support/squid_proxy.hpp"

#include <openssl/evp.h>

#include <array>

namespace mtlspop::test {

namespace {

/// A line of a password file, in a form that needs no tool: the MD5 digest of the password.
std::string PasswordLine(std::string_view user, std::string_view password) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int length = 0;
  EVP_Digest(password.data(), password.size(), digest.data(), &length, EVP_md5(), nullptr);
  std::string line = std::string{user} + ":";
  for (unsigned int at = 0; at < length; ++at) {
    constexpr std::string_view Digits = "0123456789abcdef";
    line += Digits[digest[at] >> 4U];
    line += Digits[digest[at] & 0xFU];
  }
  return line + "\n";
}

std::string Access(TemporaryDirectory const& directory, SquidAuthentication authentication) {
  if (authentication == SquidAuthentication::None) return "http_access allow all\n";
  auto const passwords = directory.WriteFile("passwords", PasswordLine(SquidProxy::UserName, SquidProxy::Password));
  return "auth_param basic program /usr/lib/squid/basic_ncsa_auth " + passwords + R"(
auth_param basic children 1 startup=1
auth_param basic realm test
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all
)";
}

std::string Configuration(
    TemporaryDirectory const& directory,
    std::uint16_t plainPort,
    std::uint16_t tlsPort,
    SquidAuthentication authentication,
    IssuedCertificate const& certificate) {
  return Access(directory, authentication) + R"(
http_port 127.0.0.1:)" +
         std::to_string(plainPort) + R"(
https_port 127.0.0.1:)" +
         std::to_string(tlsPort) + " tls-cert=" + certificate.CertificatePath +
         " tls-key=" + certificate.PrivateKeyPath + R"(
logformat brief %>Hs %rm %ru %un
access_log stdio:)" +
         directory.MakeDirectory("log", "proxy") + R"(/access.log brief
buffered_logs off
cache_log )" +
         directory.PathOf("log/cache.log") + R"(
cache deny all
cache_mem 8 MB
netdb_filename none
pinger_enable off
pid_filename none
coredump_dir )" +
         directory.PathOf("log") + R"(
shutdown_lifetime 0 seconds
visible_hostname localhost
max_filedescriptors 1024
)";
}

}  // namespace

SquidProxy::SquidProxy(SquidAuthentication authentication, IssuedCertificate const& certificate)
    : plainPort_(ReserveLoopbackPort()),
      tlsPort_(ReserveLoopbackPort()),
      process_(ServerCommand{
          {"/usr/sbin/squid", "-N", "-n", "mtlspop" + std::to_string(plainPort_), "-f",
           directory_.WriteFile(
               "squid.conf", Configuration(directory_, plainPort_, tlsPort_, authentication, certificate))},
          {},
          // Asked kindly it takes a second and more.
          SIGKILL}) {
  process_.WaitUntilListening(plainPort_);
  process_.WaitUntilListening(tlsPort_);
}

std::string SquidProxy::PlainUrl() const { return "http://localhost:" + std::to_string(plainPort_); }

std::string SquidProxy::TlsUrl() const { return "https://localhost:" + std::to_string(tlsPort_); }

std::string SquidProxy::AccessLog() const { return ReadFile(directory_.PathOf("log/access.log")); }

}  // namespace mtlspop::test
