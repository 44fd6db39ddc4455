#include "fake_names.hpp"

#include <dlfcn.h>
#include <netdb.h>

#include <atomic>
#include <map>
#include <mutex>
#include <stdexcept>
#include <utility>

namespace mtlspop::test {

namespace {

/// Shared with whoever still asks when the test is over: a resolver's thread may be left behind.
struct Entry {
  std::vector<std::string> Addresses;
  std::atomic<bool> Held{false};
  Event Asked;
  Event Released;
};

std::mutex& NamesMutex() {
  static std::mutex mutex;
  return mutex;
}

std::map<std::string, std::shared_ptr<Entry>>& Names() {
  static std::map<std::string, std::shared_ptr<Entry>> names;
  return names;
}

std::shared_ptr<Entry> FindName(char const* name) {
  if (name == nullptr) return nullptr;
  std::lock_guard<std::mutex> const lock{NamesMutex()};
  auto const found = Names().find(name);
  return found != Names().end() ? found->second : nullptr;
}

using Resolver = int (*)(char const*, char const*, addrinfo const*, addrinfo**);

Resolver SystemResolver() {
  static auto const resolver = reinterpret_cast<Resolver>(::dlsym(RTLD_NEXT, "getaddrinfo"));
  return resolver;
}

/// The addresses as one list, which the system's `freeaddrinfo` frees entry by entry.
int ListOf(std::vector<std::string> const& addresses, char const* service, addrinfo const* hints, addrinfo** result) {
  addrinfo* first = nullptr;
  addrinfo** next = &first;
  for (auto const& address : addresses) {
    addrinfo literal = hints != nullptr ? *hints : addrinfo{};
    literal.ai_flags = AI_NUMERICHOST;
    if (SystemResolver()(address.c_str(), service, &literal, next) == 0) {
      while (*next != nullptr) next = &(*next)->ai_next;
    }
  }
  *result = first;
  return first != nullptr ? 0 : EAI_NONAME;
}

}  // namespace

FakeName::FakeName(std::string name, std::vector<std::string> addresses) : name_(std::move(name)) {
  auto entry = std::make_shared<Entry>();
  entry->Addresses = std::move(addresses);
  std::lock_guard<std::mutex> const lock{NamesMutex()};
  if (!Names().emplace(name_, std::move(entry)).second) throw std::logic_error{"the name is taken: " + name_};
}

FakeName::~FakeName() {
  std::lock_guard<std::mutex> const lock{NamesMutex()};
  auto const entry = Names().find(name_);
  entry->second->Released.Set();
  Names().erase(entry);
}

void FakeName::HoldAnswers() { FindName(name_.c_str())->Held = true; }

Event const& FakeName::Asked() const noexcept { return FindName(name_.c_str())->Asked; }

}  // namespace mtlspop::test

/// In front of the system's, for the whole program.
extern "C" int getaddrinfo(char const* name, char const* service, addrinfo const* hints, addrinfo** result) {
  using namespace mtlspop::test;
  bool const literalOnly = hints != nullptr && (hints->ai_flags & AI_NUMERICHOST) != 0;
  auto const entry = literalOnly ? nullptr : FindName(name);
  if (entry == nullptr) return SystemResolver()(name, service, hints, result);
  entry->Asked.Set();
  if (entry->Held) (void)entry->Released.Wait();
  return ListOf(entry->Addresses, service, hints, result);
}
