#include "refused_secrets.hpp"

#include <condition_variable>
#include <mutex>
#include <set>

#include <openssl/evp.h>

#include "mtlspop/base/per_process.hpp"
#include "mtlspop/base/wait.hpp"

namespace mtlspop::keys {
namespace {

struct State {
  /// A child of fork() inherits what was refused; nobody has a turn there yet.
  explicit State(State* parents) {
    if (parents == nullptr) return;
    // Held for moments. Whoever forks in one of them has a child that may show a wrong secret once more.
    std::unique_lock<std::mutex> const lock{parents->Mutex, std::try_to_lock};
    if (lock) Refused = parents->Refused;
  }

  std::mutex Mutex;
  std::condition_variable Changed;
  std::set<std::string> Taken;
  std::set<std::string> Refused;
};

/// Never destroyed: threads may still use devices while the process ends.
State& Current() {
  static auto* const state = new PerProcess<State>;
  return state->Get();
}

std::string Digest(std::string const& device, Secret const& secret) {
  std::string both;
  both.reserve(device.size() + 1 + secret.Reveal().size());
  both.append(device).append(1, '\0').append(secret.Reveal());
  Secret const text{std::move(both)};
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  unsigned int length = 0;
  EVP_Digest(
      text.Reveal().data(), text.Reveal().size(), reinterpret_cast<unsigned char*>(digest.data()), &length,
      EVP_sha256(), nullptr);
  digest.resize(length);
  return digest;
}

}  // namespace

DeviceTurn::DeviceTurn(std::string name, Context const& context) : name_(std::move(name)) {
  auto& state = Current();
  std::unique_lock<std::mutex> lock{state.Mutex};
  WaitOrThrow(lock, state.Changed, context, "Waiting until the device has answered another thread", [&] {
    return state.Taken.count(name_) == 0;
  });
  state.Taken.insert(name_);
}

DeviceTurn::~DeviceTurn() {
  auto& state = Current();
  std::lock_guard<std::mutex> const lock{state.Mutex};
  state.Taken.erase(name_);
  state.Changed.notify_all();
}

bool SecretShowing::WasRefused(Secret const& secret) const {
  auto const digest = Digest(device_, secret);
  auto& state = Current();
  std::lock_guard<std::mutex> const lock{state.Mutex};
  return state.Refused.count(digest) != 0;
}

void SecretShowing::NoteRefused(Secret const& secret) const {
  auto digest = Digest(device_, secret);
  auto& state = Current();
  std::lock_guard<std::mutex> const lock{state.Mutex};
  state.Refused.insert(std::move(digest));
}

}  // namespace mtlspop::keys
