#include "secret_file.hpp"

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include "mtlspop/credential/errors.hpp"
#include "mtlspop/transport/redact.hpp"

namespace mtlspop {
namespace {

constexpr std::size_t MostBytes = std::size_t{1} << 20U;

[[noreturn]] void Refuse(std::string const& path, std::string const& why) {
  throw Error{
      {errors::ClientCertificateUnusable, "The certificate file " + Redact(path) + " cannot be read: " + why,
       "Check that CertificatePath names one file with certificate and private key, as PEM or PKCS#12, and that this "
       "process may read it"}};
}

std::string SystemReason(int number) { return std::generic_category().message(number); }

}  // namespace

Secret ReadSecretFile(std::string const& path) {
  if (path.find('\0') != std::string::npos) Refuse(path, "its name holds a zero byte");
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) Refuse(path, "it is a folder");
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> const file{std::fopen(path.c_str(), "rb"), &std::fclose};
  if (!file) Refuse(path, SystemReason(errno));
  // The library's own buffer would keep a copy.
  std::setvbuf(file.get(), nullptr, _IONBF, 0);
  std::string content(MostBytes + 1, '\0');
  errno = 0;
  content.resize(std::fread(content.data(), 1, content.size(), file.get()));
  int const failure = std::ferror(file.get()) != 0 ? errno : 0;
  Secret secret{std::move(content)};
  if (failure != 0) Refuse(path, SystemReason(failure));
  if (secret.Empty()) Refuse(path, "it is empty");
  if (secret.Reveal().size() > MostBytes) Refuse(path, "it is larger than 1 MiB");
  return secret;
}

}  // namespace mtlspop
