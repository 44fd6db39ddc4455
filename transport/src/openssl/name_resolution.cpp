#include "openssl/name_resolution.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <thread>
#include <utility>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

#include "mtlspop/base/per_process.hpp"
#include "mtlspop/base/wait.hpp"
#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/headers.hpp"
#include "openssl/exhaustion.hpp"

namespace mtlspop::openssl {
namespace {

/// One lookup, which all who ask for the same name at the same time share. Guarded by the mutex of its `Lookups`.
struct Question {
  std::string Host;
  bool Done = false;
  int Failure = 0;
  /// The errno value behind `Failure` where the name has no part in it, 0 otherwise.
  int Cause = 0;
  std::vector<Address> Addresses;
};

std::vector<Address> ToAddresses(addrinfo const* list) {
  std::vector<Address> addresses;
  for (; list != nullptr; list = list->ai_next) {
    if (list->ai_addrlen <= sizeof(sockaddr_storage)) {
      Address address;
      std::memcpy(&address.Storage, list->ai_addr, list->ai_addrlen);
      address.Length = list->ai_addrlen;
      addresses.push_back(address);
    }
  }
  return addresses;
}

void SetPort(std::vector<Address>& addresses, std::uint16_t port) noexcept {
  for (auto& address : addresses) {
    if (address.Storage.ss_family == AF_INET6) {
      reinterpret_cast<sockaddr_in6&>(address.Storage).sin6_port = htons(port);
    } else {
      reinterpret_cast<sockaddr_in&>(address.Storage).sin_port = htons(port);
    }
  }
}

int LookUp(std::string const& host, int flags, std::vector<Address>& addresses) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  addrinfo* list = nullptr;
  int const failure = ::getaddrinfo(host.c_str(), nullptr, &hints, &list);
  if (failure == 0) {
    std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> const owned{list, &::freeaddrinfo};
    addresses = ToAddresses(list);
  }
  return failure;
}

[[noreturn]] void ThrowNotResolved(std::string const& host, std::string const& why, bool transient) {
  ErrorDetails details{
      errors::NameResolutionFailed, "The host name " + host + " could not be resolved: " + why,
      "Check the name's spelling, this machine's DNS and its network"};
  details.NothingSent = true;
  details.Transient = transient;
  throw Error{std::move(details)};
}

/// RFC 6761 section 6.3: answered by this machine, never by a name server.
bool IsLocalhost(std::string_view host) noexcept {
  if (!host.empty() && host.back() == '.') {
    host.remove_suffix(1);
  }
  constexpr std::string_view name = "localhost";
  constexpr std::string_view suffix = ".localhost";
  return EqualsIgnoreCase(host, name) ||
         (host.size() > suffix.size() && EqualsIgnoreCase(host.substr(host.size() - suffix.size()), suffix));
}

/// The lookups of this process. getaddrinfo cannot be interrupted, so each has a thread of its own, which is left behind
/// when all who asked have gone. A name server that never answers costs one thread for each name, whatever the port; where
/// `MaximumRunning` are at it, other names wait for one of them to end, but for localhost.
///
/// Thread safety: all members may be called from any thread at any time.
class Lookups final {
 public:
  static constexpr std::size_t MaximumRunning = 64;

  /// In a forked child the parent's lock may be held for ever, and its threads are not there.
  explicit Lookups(Lookups* /*parents*/) {}
  /// Those of this process.
  static Lookups& Instance();

  /// The answer, which may be a failure.
  /// @throw Error `cancelled`, `deadline_exceeded`, `system_failure`
  std::shared_ptr<Question const> Ask(std::string const& host, Context const& context);

 private:
  std::shared_ptr<Question> FindRunning(std::string const& host) const;
  bool HasRoomFor(std::string const& host) const noexcept;
  std::shared_ptr<Question> Start(std::string const& host);
  void Run(std::shared_ptr<Question> const& question) noexcept;

  std::mutex mutex_;
  std::vector<std::shared_ptr<Question>> running_;
  /// For an answer, or for room to ask.
  WaitList waiting_;
};

Lookups& Lookups::Instance() {
  static auto& instance = *new PerProcess<Lookups>;  // never destroyed: threads may outlive everything else
  return instance.Get();
}

std::shared_ptr<Question> Lookups::FindRunning(std::string const& host) const {
  auto const found =
      std::find_if(running_.begin(), running_.end(), [&](auto const& question) { return question->Host == host; });
  return found == running_.end() ? nullptr : *found;
}

bool Lookups::HasRoomFor(std::string const& host) const noexcept {
  return running_.size() < MaximumRunning || IsLocalhost(host);
}

std::shared_ptr<Question const> Lookups::Ask(std::string const& host, Context const& context) {
  constexpr char const* what = "Resolving the host name";
  std::unique_lock<std::mutex> lock{mutex_};
  waiting_.WaitOrThrow(lock, context, what, [&] { return FindRunning(host) != nullptr || HasRoomFor(host); });
  auto question = FindRunning(host);
  if (!question) {
    question = Start(host);
  }
  waiting_.WaitOrThrow(lock, context, what, [&] { return question->Done; });
  return question;
}

std::shared_ptr<Question> Lookups::Start(std::string const& host) {
  auto question = std::make_shared<Question>();
  question->Host = host;
  running_.push_back(question);
  try {
    std::thread{[this, question] { Run(question); }}.detach();
  } catch (std::system_error const& error) {
    running_.pop_back();
    waiting_.WakeAll();
    ThrowExhausted("No thread could be started to look the host name " + host + " up", error.code().value());
  } catch (...) {
    running_.pop_back();
    waiting_.WakeAll();
    throw;
  }
  return question;
}

void Lookups::Run(std::shared_ptr<Question> const& question) noexcept {
  std::vector<Address> addresses;
  int failure = EAI_MEMORY;
  try {
    failure = LookUp(question->Host, AI_ADDRCONFIG, addresses);
  } catch (std::bad_alloc const&) {
    addresses.clear();  // nobody above could catch it
  }
  int cause = failure == EAI_SYSTEM ? errno : 0;
  if (failure == EAI_MEMORY) {
    cause = ENOMEM;
  } else if (failure != 0 && cause == 0) {
    // Without descriptors the resolver asks nobody, and says that there is no such name.
    cause = DescriptorShortage();
  }
  std::lock_guard<std::mutex> const lock{mutex_};
  running_.erase(std::find(running_.begin(), running_.end(), question));
  question->Failure = failure;
  question->Cause = cause;
  question->Addresses = std::move(addresses);
  question->Done = true;
  waiting_.WakeAll();
}

}  // namespace

std::vector<Address> TakeTurns(std::vector<Address> addresses) {
  if (addresses.empty()) {
    return addresses;
  }
  auto const preferred = addresses.front().Storage.ss_family;
  std::vector<Address> turns;
  auto const next = [&](bool wantPreferred, std::size_t from) {
    while (from < addresses.size() && (addresses[from].Storage.ss_family == preferred) != wantPreferred) {
      ++from;
    }
    return from;
  };
  std::size_t first = next(true, 0);
  std::size_t second = next(false, 0);
  while (first < addresses.size() || second < addresses.size()) {
    if (first < addresses.size()) {
      turns.push_back(addresses[first]);
      first = next(true, first + 1);
    }
    if (second < addresses.size()) {
      turns.push_back(addresses[second]);
      second = next(false, second + 1);
    }
  }
  return turns;
}

std::vector<Address> Resolve(std::string const& host, std::uint16_t port, Waiter& waiter) {
  std::vector<Address> literal;
  if (LookUp(host, AI_NUMERICHOST, literal) == 0) {
    SetPort(literal, port);
    return literal;
  }

  auto const answer = Lookups::Instance().Ask(host, waiter.GetContext());
  // Nothing changes any more once it is there.
  if (answer->Failure != 0 && answer->Cause != 0) {
    ThrowExhausted("The host name " + host + " could not be looked up", answer->Cause);
  }
  if (answer->Failure != 0) {
    ThrowNotResolved(host, ::gai_strerror(answer->Failure), answer->Failure == EAI_AGAIN);
  }
  auto addresses = TakeTurns(answer->Addresses);
  SetPort(addresses, port);
  return addresses;
}

}  // namespace mtlspop::openssl
