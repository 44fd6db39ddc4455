#include <cerrno>
#include <cstring>
#include <system_error>
#include <thread>

#include <dirent.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../crypto.hpp"
#include "../json.hpp"
#include "../uuid.hpp"
#include "mtlspop/base/encoding.hpp"
#include "mtlspop/base/fork_epoch.hpp"
#include "mtlspop/base/posix/descriptor.hpp"
#include "mtlspop/credential/binding_store.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/credential/openssl.hpp"
#include "mtlspop/transport/openssl.hpp"
#include "mtlspop/transport/required.hpp"
#include "mtlspop/transport/secret.hpp"
#include "ossl.hpp"

namespace mtlspop {
namespace {

using std::chrono::system_clock;

[[noreturn]] void ThrowSystem(std::string const& what) {
  throw std::system_error{errno, std::generic_category(), what};
}

bool IsOursAlone(struct stat const& status) noexcept {
  return status.st_uid == ::geteuid() && (status.st_mode & (S_IRWXG | S_IRWXO)) == 0;
}

void PrepareFolder(std::string const& folder) {
  if (::mkdir(folder.c_str(), S_IRWXU) != 0 && errno != EEXIST) ThrowSystem("making the folder " + folder);
  struct stat status {};
  if (::lstat(folder.c_str(), &status) != 0) ThrowSystem("looking at the folder " + folder);
  if (S_ISDIR(status.st_mode) && IsOursAlone(status)) return;
  throw Error{
      {errors::InvalidArgument,
       "The folder " + folder + " of the binding store is not this user's alone, or is no folder",
       "Give a folder that belongs to the user of this process, with mode 0700"}};
}

/// Held by `flock` on a file beside the binding's; the system lets go of it when the process ends, however it ends.
class FileLock final : public BindingStore::Lock {
 public:
  explicit FileLock(std::string const& path)
      : file_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR)) {
    if (!file_.IsOpen()) ThrowSystem("opening the lock file");
  }
  /// A child of fork() has the same open file, and closing ours alone would leave the lock with the child: it is let go of
  /// for both. The child's copy of this object, if it ever ends, must not do that to its parent.
  ~FileLock() override {
    if (epoch_ == ForkEpoch()) ::flock(file_.Get(), LOCK_UN);
  }
  FileLock(FileLock const&) = delete;
  FileLock& operator=(FileLock const&) = delete;
  bool TryLock() const noexcept { return ::flock(file_.Get(), LOCK_EX | LOCK_NB) == 0; }

 private:
  Descriptor file_;
  std::uint64_t const epoch_ = ForkEpoch();
};

Secret ExportKey(PrivateKeyHandle const& handle) {
  openssl::BioPtr const out{BIO_new(BIO_s_secmem())};
  auto const key = openssl::GetPrivateKey(handle);
  if (PEM_write_bio_PKCS8PrivateKey(out.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    ERR_clear_error();
    return {};
  }
  char* text = nullptr;
  long const length = BIO_get_mem_data(out.get(), &text);
  return Secret{std::string_view{text, static_cast<std::size_t>(length)}};
}

openssl::EvpPkeyPtr ImportKey(std::string const& pem) {
  openssl::BioPtr const in{BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))};
  auto const noPassword = [](char*, int, int, void*) { return -1; };
  openssl::EvpPkeyPtr key{PEM_read_bio_PrivateKey(in.get(), nullptr, noPassword, nullptr)};
  ERR_clear_error();
  return key;
}

/// Over all members but "sha256" itself. Against what disks and editors do: who may write the file may write this too.
std::string DigestOf(nlohmann::json const& object) {
  Secret const text{json::ToText(object)};
  return encoding::ToBase64Url(crypto::Sha256(encoding::AsBytes(text.Reveal())));
}

bool IsWhole(nlohmann::json object) {
  auto const cleanse = gsl::finally([&object] {
    if (json::FindString(object, "key")) Cleanse(object["key"].get_ref<std::string&>());
  });
  auto const digest = json::FindString(object, "sha256");
  object.erase("sha256");
  return digest && *digest == DigestOf(object);
}

Secret ToText(StoredBinding const& binding, Secret const& key, std::string const& reference) {
  nlohmann::json chain = nlohmann::json::array();
  for (auto const& certificate : binding.Certificate->Chain()) chain.push_back(encoding::ToBase64(certificate));
  nlohmann::json object{
      {"version", 1},
      {"x5t_s256", binding.Certificate->X5tS256()},
      {"mtls_endpoint", binding.MtlsEndpoint},
      {"token_endpoint", binding.TokenEndpoint},
      {"client_id", binding.ClientId},
      {"tenant_id", binding.TenantId},
      {"attested", binding.Attested},
      {"issued_on", std::chrono::duration_cast<std::chrono::seconds>(binding.IssuedOn.time_since_epoch()).count()},
      {"chain", std::move(chain)},
      {"key", key.Reveal()},
      {"key_reference", reference}};
  object["sha256"] = DigestOf(object);
  Secret text{json::ToText(object)};
  Cleanse(object["key"].get_ref<std::string&>());
  return text;
}

/// Whether the key really signs: one that opens need not.
bool Signs(BindingKey const& key) {
  std::array<std::uint8_t, 32> probe{};
  crypto::FillRandom(probe);
  return crypto::VerifyPssSha256(key.SubjectPublicKeyInfo(), probe, key.SignPssSha256(probe));
}

/// How far clocks may be apart, and this machine's be put back.
constexpr std::chrono::minutes ClockSkew{5};

/// Whether a certificate that ends then can have been issued so many seconds after 1970.
bool CanBeIssuedOn(std::int64_t issuedOn, system_clock::time_point now, system_clock::time_point notAfter) {
  auto const secondsOf = [](system_clock::time_point time) {
    return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
  };
  return issuedOn >= 0 && issuedOn <= secondsOf(now + ClockSkew) && issuedOn < secondsOf(notAfter);
}

/// The key in a file, or the one that it names. Null where there is none that can be opened.
std::shared_ptr<BindingKey const> OpenStoredKey(nlohmann::json& object, KeyProvider* keys) {
  auto const reference = json::FindString(object, "key_reference").value_or("");
  if (!reference.empty()) {
    // Longer than a device takes, and not for ever.
    auto const context = Context{}.WithTimeout(std::chrono::seconds{30});
    return keys == nullptr ? nullptr : keys->OpenKey(reference, context);
  }
  auto& pem = object["key"].get_ref<std::string&>();
  auto const key = ImportKey(pem);
  Cleanse(pem);
  if (!key) return nullptr;
  return openssl::WrapBindingKey(gsl::make_not_null(key.get()), KeyStrength::Software).get();
}

/// The binding in a file's text, none where anything is wrong with it.
std::optional<StoredBinding> FromText(std::string const& text, KeyProvider* keys, system_clock::time_point now) {
  auto object = json::ParseObject(text);
  if (!object || !IsWhole(*object)) return std::nullopt;
  auto const issuedOn = json::FindInteger(*object, "issued_on");
  auto const endpoint = json::FindString(*object, "mtls_endpoint");
  auto const clientId = json::FindString(*object, "client_id");
  auto const tenantId = json::FindString(*object, "tenant_id");
  if (json::FindInteger(*object, "version") != 1 || !issuedOn || !endpoint || !clientId || !tenantId ||
      (!json::FindString(*object, "key") && !json::FindString(*object, "key_reference")) ||
      !(*object)["chain"].is_array()) {
    return std::nullopt;
  }
  std::vector<BindingCertificate::Der> chain;
  for (auto const& certificate : (*object)["chain"]) {
    auto der = certificate.is_string() ? encoding::FromBase64(certificate.get_ref<std::string const&>()) : std::nullopt;
    if (!der) return std::nullopt;
    chain.push_back(std::move(*der));
  }
  StoredBinding binding;
  binding.Key = OpenStoredKey(*object, keys);
  if (!binding.Key || !Signs(*binding.Key)) return std::nullopt;
  // Throws where the key does not belong to the certificate.
  binding.Certificate =
      crypto::MakeBindingCertificate(std::move(chain), binding.Key->Handle(), binding.Key->Strength());
  // A flipped bit can leave a certificate that reads well and that nobody issued.
  if (json::FindString(*object, "x5t_s256") != binding.Certificate->X5tS256()) return std::nullopt;
  if (!CanBeIssuedOn(*issuedOn, now, binding.Certificate->NotAfter())) return std::nullopt;
  binding.MtlsEndpoint = *endpoint;
  binding.TokenEndpoint = json::FindString(*object, "token_endpoint").value_or("");
  binding.ClientId = *clientId;
  binding.TenantId = *tenantId;
  binding.Attested = object->value("attested", false);
  binding.IssuedOn = system_clock::time_point{std::chrono::seconds{*issuedOn}};
  return binding;
}

void WriteAll(int file, std::string const& text) {
  for (std::size_t written = 0; written < text.size();) {
    auto const count = ::write(file, text.data() + written, text.size() - written);
    if (count < 0 && errno != EINTR) ThrowSystem("writing a binding");
    if (count > 0) written += static_cast<std::size_t>(count);
  }
  if (::fsync(file) != 0) ThrowSystem("writing a binding");
}

Secret ReadAll(int file) {
  constexpr std::size_t most = std::size_t{1} << 20;
  std::string text(most, '\0');
  std::size_t length = 0;
  while (length < text.size()) {
    auto const count = ::read(file, text.data() + length, text.size() - length);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) ThrowSystem("reading a binding");
    if (count == 0) break;
    length += static_cast<std::size_t>(count);
  }
  text.resize(length);
  return Secret{std::move(text)};
}

/// -1 with `errno` where it cannot be opened.
int OpenForReading(std::string const& path) {
  for (;;) {
    int const file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (file >= 0 || errno != EINTR) return file;
  }
}

constexpr std::string_view NewSuffix = ".new";

bool IsNewFile(std::string_view name) noexcept {
  return name.size() > NewSuffix.size() && name.substr(name.size() - NewSuffix.size()) == NewSuffix &&
         name.find(".json.") != std::string_view::npos;
}

/// What writers that died half-way left behind, with a key in it: one that lives has been done for long. Failing at it is
/// no reason not to save.
void RemoveLeftovers(std::string const& folderPath, system_clock::time_point now) noexcept {
  constexpr std::chrono::hours age{1};
  std::unique_ptr<DIR, int (*)(DIR*)> const folder{::opendir(folderPath.c_str()), &::closedir};
  if (!folder) return;
  while (auto const* const entry = ::readdir(folder.get())) {
    if (!IsNewFile(entry->d_name)) continue;
    struct stat status {};
    if (::fstatat(::dirfd(folder.get()), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (now - system_clock::from_time_t(status.st_mtime) < age) continue;
    ::unlinkat(::dirfd(folder.get()), entry->d_name, 0);
  }
}

class FileBindingStore final : public BindingStore {
 public:
  explicit FileBindingStore(FileBindingStoreOptions options) : options_(std::move(options)) {
    PrepareFolder(options_.Folder);
  }

  std::unique_ptr<Lock> Acquire(std::string_view name, Context const& context) override {
    // Whoever holds it is asking the metadata service, which may have answered 410 for 70 seconds when it does what it
    // should. Who goes on without the lock then has a certificate of its own, which is no harm.
    constexpr std::chrono::seconds patience{90};
    constexpr std::chrono::milliseconds look{10};
    auto lock = std::make_unique<FileLock>(PathOf(name) + ".lock");
    auto const end = options_.Time->SteadyNow() + patience;
    while (!lock->TryLock()) {
      if (context.IsCancelled() || context.IsExpired() || options_.Time->SteadyNow() > end) return nullptr;
      // flock has no wait that a context could end, and there is nobody to be woken by: another process holds it.
      std::this_thread::sleep_for(look);
    }
    return lock;
  }

  std::optional<StoredBinding> Load(std::string_view name) override {
    auto const path = PathOf(name);
    Descriptor const file{OpenForReading(path)};
    if (!file.IsOpen()) {
      if (errno == ENOENT) return std::nullopt;
      // Too many open files, for one, says nothing of this one: it is good for others, and for us later.
      if (errno != ELOOP && errno != EACCES) ThrowSystem("opening a stored binding");
      SetAside(path, std::strerror(errno));
      return std::nullopt;
    }
    struct stat status {};
    if (::fstat(file.Get(), &status) != 0) ThrowSystem("looking at a stored binding");
    if (!S_ISREG(status.st_mode) || !IsOursAlone(status)) {
      SetAside(path, "it is not this user's alone");
      return std::nullopt;
    }
    auto const text = ReadAll(file.Get());
    try {
      auto binding = FromText(text.Reveal(), options_.Keys.get(), options_.Time->Now());
      if (!binding) SetAside(path, "its content cannot be used");
      if (binding && options_.Time->Now() >= binding->Certificate->NotAfter()) return std::nullopt;
      return binding;
    } catch (std::exception const& exception) {
      SetAside(path, exception.what());
      return std::nullopt;
    }
  }

  void Save(std::string_view name, StoredBinding const& binding) override {
    bool const canLeave = binding.Certificate->Strength() <= KeyStrength::Software;
    auto const key = canLeave ? ExportKey(binding.Certificate->Key()) : Secret{};
    auto const reference = key.Empty() && binding.Key && options_.Keys ? binding.Key->Reference() : std::string{};
    if (key.Empty() && reference.empty()) {
      options_.Log.Write(LogLevel::Debug, "binding_not_stored", {{"reason", "its key cannot leave where it is"}});
      return;
    }
    RemoveLeftovers(options_.Folder, options_.Time->Now());
    auto const path = PathOf(name);
    auto const newPath = path + "." + NewUuid() + std::string{NewSuffix};
    auto const text = ToText(binding, key, reference);
    {
      Descriptor const file{
          ::open(newPath.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR)};
      if (!file.IsOpen()) ThrowSystem("making a file in the binding store");
      auto removeNew = gsl::finally([&newPath] { ::unlink(newPath.c_str()); });
      WriteAll(file.Get(), text.Reveal());
      // From here on it has the old one's name, and there is nothing left to remove.
      if (::rename(newPath.c_str(), path.c_str()) != 0) ThrowSystem("replacing a file in the binding store");
    }
    Descriptor const folder{::open(options_.Folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (folder.IsOpen()) ::fsync(folder.Get());
  }

  void Remove(std::string_view name, std::string_view x5tS256) override {
    // Between the look and the removal nobody may save another one, which would go in its place.
    auto const lock = Acquire(name, Context{}.WithTimeout(std::chrono::seconds{1}));
    // Whoever holds it for so long is making the next one, which takes this one's place.
    if (!lock) throw std::system_error{EWOULDBLOCK, std::generic_category(), "locking a binding to remove it"};
    auto const stored = Load(name);
    if (stored && stored->Certificate->X5tS256() == x5tS256) ::unlink(PathOf(name).c_str());
  }

 private:
  std::string PathOf(std::string_view name) const {
    return options_.Folder + "/" + encoding::ToBase64Url(crypto::Sha256(encoding::AsBytes(name))) + ".json";
  }

  void SetAside(std::string const& path, std::string const& why) const {
    bool const done = ::rename(path.c_str(), (path + ".damaged").c_str()) == 0;
    options_.Log.Write(
        LogLevel::Warning, "stored_binding_set_aside",
        {{"file", path}, {"why", why}, {"renamed", done ? "true" : "false"}});
  }

  FileBindingStoreOptions options_;
};

}  // namespace

gsl::not_null<std::shared_ptr<BindingStore>> MakeFileBindingStore(FileBindingStoreOptions options) {
  Required(options.Time, "FileBindingStoreOptions::Time");
  return std::shared_ptr<BindingStore>{std::make_shared<FileBindingStore>(std::move(options))};
}

}  // namespace mtlspop
