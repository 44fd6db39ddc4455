#include "support/apache_server.hpp"

namespace mtlspop::test {

namespace {

std::string Configuration(
    TemporaryDirectory const& directory,
    std::uint16_t port,
    ApacheTls tls,
    IssuedCertificate const& certificate,
    std::string const& clientAuthorityPath) {
  std::string modules;
  for (auto const* name :
       {"mpm_event", "authz_core", "unixd", "ssl", "socache_shmcb", "headers", "reflector", "alias", "setenvif"}) {
    // unixd and a few more are built in on Debian.
    modules += "<IfModule !" + std::string{name} + "_module>\nLoadModule " + name +
               "_module /usr/lib/apache2/modules/mod_" + name + ".so\n</IfModule>\n";
  }
  auto const documents = directory.MakeDirectory("documents", "www-data");
  directory.MakeDirectory("documents/open", "www-data");
  directory.MakeDirectory("documents/bound", "www-data");
  directory.WriteFile("documents/open/index", "open");
  directory.WriteFile("documents/bound/index", "bound");
  return modules + R"(
ServerName localhost
User www-data
Group www-data
Listen 127.0.0.1:)" +
         std::to_string(port) + R"(
PidFile )" +
         directory.PathOf("pid") + R"(
DefaultRuntimeDir )" +
         directory.Path() + R"(
Mutex default:)" +
         directory.Path() + R"(
ErrorLog )" +
         directory.PathOf("error.log") + R"(
LogLevel warn ssl:info
StartServers 1
MinSpareThreads 1
MaxSpareThreads 16
ThreadsPerChild 16
ThreadLimit 16
MaxRequestWorkers 16
KeepAlive On
MaxKeepAliveRequests 0
DocumentRoot )" +
         documents + R"(
<Directory )" +
         documents + R"(>
  Require all granted
</Directory>
SSLEngine on
SSLCertificateFile )" +
         certificate.CertificatePath + R"(
SSLCertificateKeyFile )" +
         certificate.PrivateKeyPath + R"(
SSLCACertificateFile )" +
         clientAuthorityPath + R"(
SSLProtocol )" +
         (tls == ApacheTls::Tls12 ? "TLSv1.2" : "TLSv1.3") + R"(
SSLSessionCache shmcb:)" +
         directory.PathOf("sessions") + R"((512000)
SSLVerifyClient none
Header always set X-Client-Subject "%{SSL_CLIENT_S_DN}s"
Header always set X-Session-Resumed "%{SSL_SESSION_RESUMED}s"
<Location "/bound">
  SSLVerifyClient require
  SSLVerifyDepth 2
  SSLRenegBufferSize 4194304
</Location>
<LocationMatch "^/(open|bound)/echo$">
  SetHandler reflector
</LocationMatch>
)";
}

}  // namespace

ApacheServer::ApacheServer(ApacheTls tls, IssuedCertificate const& certificate, std::string const& clientAuthorityPath)
    : port_(ReserveLoopbackPort()),
      process_(ServerCommand{
          {"/usr/sbin/apache2", "-DFOREGROUND", "-f",
           directory_.WriteFile(
               "apache.conf", Configuration(directory_, port_, tls, certificate, clientAuthorityPath))},
          {},
          SIGTERM}) {
  process_.WaitUntilListening(port_);
}

std::string ApacheServer::Url(std::string_view target) const {
  return "https://localhost:" + std::to_string(port_) + std::string{target};
}

std::string ApacheServer::ErrorLog() const { return ReadFile(directory_.PathOf("error.log")) + process_.Output(); }

}  // namespace mtlspop::test
