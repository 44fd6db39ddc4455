#include "gateway/ca_bundle.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
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

std::string ReadWhole(std::filesystem::path const& path) {
  std::ifstream in{path, std::ios::binary};
  std::string text{std::istreambuf_iterator<char>{in}, {}};
  if (!text.empty() && text.back() != '\n') text += '\n';
  return text;
}

/// What a file holds, or all the files of a folder, which Python's requests takes too; "" where it cannot be read.
std::string TrustedIn(std::string const& path) {
  if (path.empty()) return {};
  std::error_code problem;
  if (!std::filesystem::is_directory(path, problem)) return ReadWhole(path);
  std::string text;
  for (std::filesystem::directory_iterator entry{path, problem}, end; entry != end; entry.increment(problem)) {
    if (entry->is_regular_file(problem)) text += ReadWhole(entry->path());
  }
  return text;
}

std::string TrustedBySystem() {
  for (auto const& path :
       {ValueOf("SSL_CERT_FILE"), std::string{X509_get_default_cert_file()},
        std::string{"/etc/ssl/certs/ca-certificates.crt"}}) {
    if (auto text = TrustedIn(path); !text.empty()) return text;
  }
  return {};
}

/// What they name takes the place of the program's own list: OpenSSL's, of Python's requests, curl's, of AWS, gRPC's.
constexpr char const* Replacing[] = {
    "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"};
/// What it names is added to Node's list.
constexpr char const* Adding = "NODE_EXTRA_CA_CERTS";

}  // namespace

CaBundle::CaBundle(std::string_view ownPem) : folder_(MakeFolder()) {
  try {
    auto const everybody = Keep("ca-bundle.pem", TrustedBySystem().append(ownPem));
    for (auto const* const variable : Replacing) Add(variable, everybody, ownPem);
    Add(Adding, Keep("gateway-ca.pem", std::string{ownPem}), ownPem);
  } catch (...) {
    Remove();
    throw;
  }
}

CaBundle::~CaBundle() { Remove(); }

std::string CaBundle::Keep(std::string const& name, std::string const& text) {
  auto path = folder_ + "/" + name;
  files_.push_back(path);
  Write(path, text);
  return path;
}

void CaBundle::Add(std::string const& variable, std::string const& usual, std::string_view ownPem) {
  auto named = TrustedIn(ValueOf(variable.c_str()));
  variables_.emplace_back(variable, named.empty() ? usual : Keep(variable + ".pem", named.append(ownPem)));
}

void CaBundle::Remove() const noexcept {
  for (auto const& file : files_) ::unlink(file.c_str());
  ::rmdir(folder_.c_str());
}

}  // namespace mtlspop::gateway
