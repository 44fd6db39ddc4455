#include "gateway/ca_bundle.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <system_error>

#include <openssl/x509.h>

#include "mtlspop/base/environment_variable.hpp"
#include "mtlspop/base/posix/descriptor.hpp"
#include "mtlspop/transport/error.hpp"

namespace mtlspop::gateway {
namespace {

[[noreturn]] void Fail(std::string const& what) {
  throw Error{
      {errors::SystemFailure, what + ": " + std::generic_category().message(errno),
       "Set TMPDIR to a folder that this user may write to"}};
}

std::string ValueOf(char const* variable) {
  auto const* const value = ReadEnvironmentVariable(variable);
  return value != nullptr ? value : "";
}

std::string MakeFolder() {
  auto base = ValueOf("XDG_RUNTIME_DIR");
  if (base.empty()) base = ValueOf("TMPDIR");
  if (base.empty()) base = "/tmp";
  auto path = base + "/mtlspop-XXXXXX";
  // Mode 0700, and nobody else's.
  if (::mkdtemp(path.data()) == nullptr) Fail("The gateway could not make a folder in " + base);
  return path;
}

void Write(std::string const& path, std::string_view text) {
  Descriptor const file{::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (!file.IsOpen()) Fail("The gateway could not write " + path);
  while (!text.empty()) {
    auto const count = ::write(file.Get(), text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) Fail("The gateway could not write " + path);
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

std::string TrustedBySystem(std::string file) {
  if (file.empty()) file = ValueOf("SSL_CERT_FILE");
  if (file.empty()) file = X509_get_default_cert_file();
  for (auto const& path : {file, std::string{"/etc/ssl/certs/ca-certificates.crt"}}) {
    std::ifstream in{path, std::ios::binary};
    std::string text{std::istreambuf_iterator<char>{in}, {}};
    if (!text.empty()) return text.back() == '\n' ? text : text + '\n';
  }
  return {};
}

}  // namespace

CaBundle::CaBundle(std::string_view ownPem, std::string const& systemFile)
    : folder_(MakeFolder()), file_(folder_ + "/ca-bundle.pem"), ownFile_(folder_ + "/gateway-ca.pem") {
  try {
    Write(ownFile_, ownPem);
    Write(file_, TrustedBySystem(systemFile).append(ownPem));
  } catch (...) {
    Remove();
    throw;
  }
}

CaBundle::~CaBundle() { Remove(); }

void CaBundle::Remove() const noexcept {
  ::unlink(file_.c_str());
  ::unlink(ownFile_.c_str());
  ::rmdir(folder_.c_str());
}

}  // namespace mtlspop::gateway
