#include "secret_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string_view>
#include <system_error>
#include <utility>

#include <gsl/util>

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

// With room to see the end. A pipe has no size.
std::size_t FirstRoom(std::string const& path) {
  constexpr std::uintmax_t least = 4096;
  std::error_code isUnknown;
  auto const size = std::filesystem::file_size(path, isUnknown);
  return isUnknown ? least : static_cast<std::size_t>(std::clamp<std::uintmax_t>(size, least, MostBytes)) + 1;
}

// No more than is needed to see that it is too much.
Secret ReadToEnd(std::FILE& file, std::size_t room) {
  std::string content(room, '\0');
  auto const cleanse = gsl::finally([&content] { Cleanse(content); });
  std::size_t used = 0;
  for (;;) {
    used += std::fread(content.data() + used, 1, content.size() - used, &file);
    if (used < content.size() || used > MostBytes) break;
    std::string larger(std::min(2 * used, MostBytes + 1), '\0');
    std::memcpy(larger.data(), content.data(), used);
    Cleanse(content);
    content.swap(larger);
  }
  return Secret{std::string_view{content.data(), used}};
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
  errno = 0;
  auto const secret = ReadToEnd(*file, FirstRoom(path));
  int const failure = std::ferror(file.get()) != 0 ? errno : 0;
  if (failure != 0) Refuse(path, SystemReason(failure));
  if (secret.Empty()) Refuse(path, "it is empty");
  if (secret.Reveal().size() > MostBytes) Refuse(path, "it is larger than 1 MiB");
  return secret;
}

}  // namespace mtlspop
