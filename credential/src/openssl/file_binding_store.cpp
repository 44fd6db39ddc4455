#include <cerrno>
#include <optional>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gsl/util>

#include "../crypto.hpp"
#include "mtlspop/base/encoding.hpp"
#include "mtlspop/base/fork_epoch.hpp"
#include "mtlspop/base/posix/descriptor.hpp"
#include "mtlspop/base/uuid.hpp"
#include "mtlspop/credential/binding_store.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/transport/required.hpp"
#include "mtlspop/transport/secret.hpp"
#include "store_folder.hpp"
#include "stored_binding_text.hpp"

namespace mtlspop {
namespace {

using std::chrono::system_clock;

/// Held by `flock` on a file beside the binding's; the system lets go of it when the process ends, however it ends.
class FileLock final : public BindingStore::Lock {
 public:
  FileLock(int folder, std::string const& name) : file_(OpenOwnFile(folder, name, O_RDWR)) {
    if (!file_.IsOpen()) ThrowStoreFailure("opening the lock file");
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

void WriteAll(int file, std::string_view text) {
  for (std::size_t written = 0; written < text.size();) {
    auto const count = ::write(file, text.data() + written, text.size() - written);
    if (count < 0 && errno != EINTR) ThrowStoreFailure("writing a binding");
    if (count > 0) written += static_cast<std::size_t>(count);
  }
  if (::fsync(file) != 0) ThrowStoreFailure("writing a binding");
}

/// Into `text`, which the caller cleanses.
void ReadAll(int file, std::string& text) {
  constexpr std::size_t most = std::size_t{1} << 20;
  text.assign(most, '\0');
  std::size_t length = 0;
  while (length < text.size()) {
    auto const count = ::read(file, text.data() + length, text.size() - length);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) ThrowStoreFailure("reading a binding");
    if (count == 0) break;
    length += static_cast<std::size_t>(count);
  }
  text.resize(length);
}

/// -1 with `errno` where it cannot be opened.
int OpenForReading(int folder, std::string const& name) noexcept {
  for (;;) {
    int const file = ::openat(folder, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (file >= 0 || errno != EINTR) return file;
  }
}

constexpr std::string_view NewSuffix = ".new";
constexpr std::string_view DamagedSuffix = ".damaged";

/// Whether it is one of the store's own files that ends so.
bool IsOwnFile(std::string_view name, std::string_view suffix) noexcept {
  return name.size() > suffix.size() && name.substr(name.size() - suffix.size()) == suffix &&
         name.find(".json.") != std::string_view::npos;
}

/// How long a file with a key in it stays that nobody will read again, none for one that is read. A writer that lives has
/// been done for long after an hour; what was set aside is there for people to look at.
std::optional<std::chrono::hours> LifeOfLeftover(std::string_view name) noexcept {
  if (IsOwnFile(name, NewSuffix)) return std::chrono::hours{1};
  if (IsOwnFile(name, DamagedSuffix)) return std::chrono::hours{24};
  return std::nullopt;
}

/// Removes what writers that died half-way left behind, and what was set aside a day ago. Failing at it is no reason not
/// to save.
void RemoveLeftovers(int folder, system_clock::time_point now) noexcept {
  // The entries are read through a descriptor of its own, which closedir closes.
  int const copy = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  std::unique_ptr<DIR, int (*)(DIR*)> const entries{copy < 0 ? nullptr : ::fdopendir(copy), &::closedir};
  if (!entries) {
    if (copy >= 0) ::close(copy);
    return;
  }
  while (auto const* const entry = ::readdir(entries.get())) {
    auto const life = LifeOfLeftover(entry->d_name);
    if (!life) continue;
    struct stat status {};
    if (::fstatat(folder, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
    // Renaming changes this time, and nobody can set it back.
    if (now - system_clock::from_time_t(status.st_ctime) < *life) continue;
    ::unlinkat(folder, entry->d_name, 0);
  }
}

class FileBindingStore final : public BindingStore {
 public:
  explicit FileBindingStore(FileBindingStoreOptions options) : options_(std::move(options)) {
    RemoveLeftovers(OpenFolder().Get(), options_.Time->Now());
  }

  std::unique_ptr<Lock> Acquire(std::string_view name, Context const& context) override {
    // Whoever holds it is asking the metadata service, which may have answered 410 for 70 seconds when it does what it
    // should. Who goes on without the lock then has a certificate of its own, which is no harm.
    constexpr std::chrono::seconds patience{90};
    constexpr std::chrono::milliseconds look{10};
    auto lock = std::make_unique<FileLock>(OpenFolder().Get(), FileOf(name) + ".lock");
    auto const end = options_.Time->SteadyNow() + patience;
    while (!lock->TryLock()) {
      if (context.IsCancelled() || context.IsExpired() || options_.Time->SteadyNow() > end) return nullptr;
      // flock has no wait that a context could end, and there is nobody to be woken by: another process holds it.
      std::this_thread::sleep_for(look);
    }
    return lock;
  }

  std::optional<StoredBinding> Load(std::string_view name) override {
    auto const folder = OpenFolder();
    auto const path = FileOf(name);
    Descriptor const file{OpenForReading(folder.Get(), path)};
    if (!file.IsOpen()) {
      if (errno == ENOENT) return std::nullopt;
      // Too many open files, for one, says nothing of this one: it is good for others, and for us later.
      if (errno != ELOOP && errno != EACCES) ThrowStoreFailure("opening a stored binding");
      SetAside(folder.Get(), path, std::generic_category().message(errno));
      return std::nullopt;
    }
    struct stat status {};
    if (::fstat(file.Get(), &status) != 0) ThrowStoreFailure("looking at a stored binding");
    if (!S_ISREG(status.st_mode) || !IsOursAlone(status)) {
      SetAside(folder.Get(), path, "it is not this user's alone");
      return std::nullopt;
    }
    std::string text;
    auto const cleanse = gsl::finally([&text] { Cleanse(text); });
    ReadAll(file.Get(), text);
    try {
      auto binding = ReadStoredBinding(text, name, options_.Keys.get(), options_.Time->Now());
      if (!binding) {
        SetAside(
            folder.Get(), path,
            "its content cannot be used, or is another identity's, another machine's or an earlier boot's");
      }
      if (binding && options_.Time->Now() >= binding->Certificate->NotAfter()) return std::nullopt;
      return binding;
    } catch (std::bad_alloc const&) {
      // Nothing is known of the file: it is good for the next start.
      throw;
    } catch (Error const& error) {
      // Nor where the caller did not wait for its key.
      if (error.Code() == errors::Cancelled || error.Code() == errors::DeadlineExceeded) throw;
      SetAside(folder.Get(), path, error.what());
      return std::nullopt;
    } catch (std::exception const& exception) {
      SetAside(folder.Get(), path, exception.what());
      return std::nullopt;
    }
  }

  void Save(std::string_view name, StoredBinding const& binding) override {
    auto const text = WriteStoredBinding(name, binding, options_.Keys.get());
    if (text.Empty()) {
      options_.Observer.Tell(Severity::Debug, "store.binding_not_kept", {{"what", "its key cannot leave where it is"}});
      return;
    }
    auto const folder = OpenFolder();
    RemoveLeftovers(folder.Get(), options_.Time->Now());
    auto const path = FileOf(name);
    auto const newPath = path + "." + NewUuid() + std::string{NewSuffix};
    Descriptor const file{OpenOwnFile(folder.Get(), newPath, O_WRONLY | O_EXCL)};
    if (!file.IsOpen()) ThrowStoreFailure("making a file in the binding store");
    // Where it has taken the old one's name there is nothing left to remove.
    auto removeNew = gsl::finally([&] { ::unlinkat(folder.Get(), newPath.c_str(), 0); });
    WriteAll(file.Get(), text.Reveal());
    if (::renameat(folder.Get(), newPath.c_str(), folder.Get(), path.c_str()) != 0) {
      ThrowStoreFailure("replacing a file in the binding store");
    }
    ::fsync(folder.Get());
  }

  void Remove(std::string_view name, std::string_view x5tS256) override {
    // Between the look and the removal nobody may save another one, which would go in its place.
    auto const lock = Acquire(name, Context{}.WithTimeout(std::chrono::seconds{1}));
    if (!lock) {
      // Whoever holds it for so long is making the next one, which takes this one's place.
      errno = EWOULDBLOCK;
      ThrowStoreFailure("locking a binding to remove it");
    }
    auto const stored = Load(name);
    if (stored && stored->Certificate->X5tS256() == x5tS256) {
      ::unlinkat(OpenFolder().Get(), FileOf(name).c_str(), 0);
    }
  }

 private:
  Descriptor OpenFolder() const { return OpenStoreFolder(options_.Folder); }

  static std::string FileOf(std::string_view name) {
    return encoding::ToBase64Url(crypto::Sha256(encoding::AsBytes(name))) + ".json";
  }

  void SetAside(int folder, std::string const& file, std::string const& why) const {
    auto const aside = file + std::string{DamagedSuffix};
    bool const done = ::renameat(folder, file.c_str(), folder, aside.c_str()) == 0;
    options_.Observer.Tell(
        Severity::Warning, "store.binding_set_aside",
        {{"file", options_.Folder + "/" + file}, {"what", why}, {"renamed", done}});
  }

  FileBindingStoreOptions options_;
};

}  // namespace

gsl::not_null<std::shared_ptr<BindingStore>> MakeFileBindingStore(FileBindingStoreOptions options) {
  Required(options.Time, "FileBindingStoreOptions::Time");
  return std::shared_ptr<BindingStore>{std::make_shared<FileBindingStore>(std::move(options))};
}

}  // namespace mtlspop
