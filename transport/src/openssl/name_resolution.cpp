#include "openssl/name_resolution.hpp"

#include <algorithm>
#include <atomic>
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
#include <sys/eventfd.h>
#include <unistd.h>

#include "mtlspop/transport/error.hpp"
#include "openssl/fork_generation.hpp"
#include "openssl/socket.hpp"

namespace mtlspop::openssl {
namespace {

/// Lookups that go on though nobody waits for them any more. A name server that never answers must not fill the process
/// with threads.
class AbandonedLookups final {
 public:
  static constexpr std::uint32_t Maximum = 64;

  static bool AreTooMany() noexcept { return Current() >= Maximum; }
  static void Add() noexcept { Change(1); }
  static void Remove() noexcept { Change(-1); }

 private:
  /// The threads stay behind in a fork, so what was counted in the parent counts for nothing in the child.
  /// Aligned so that no lock is needed.
  struct alignas(std::uint64_t) Count {
    std::uint32_t Generation;
    std::uint32_t Lookups;
  };

  static std::uint32_t Generation() noexcept { return static_cast<std::uint32_t>(ForkGeneration()); }

  static std::uint32_t Current() noexcept {
    auto const count = count_.load(std::memory_order_relaxed);
    return count.Generation == Generation() ? count.Lookups : 0;
  }

  static void Change(std::int32_t by) noexcept {
    auto before = count_.load(std::memory_order_relaxed);
    Count after{};
    do {
      auto const own = before.Generation == Generation() ? before.Lookups : 0;
      after = {Generation(), own + static_cast<std::uint32_t>(by)};
    } while (!count_.compare_exchange_weak(before, after, std::memory_order_relaxed));
  }

  static inline std::atomic<Count> count_{Count{0, 0}};
};

/// What the asking and the answering thread share. Whoever is last frees it: an asker whose context ends leaves.
struct Question {
  std::string Host;
  std::string Port;
  Descriptor Answered;
  std::mutex Mutex;
  bool Done = false;
  bool Abandoned = false;
  int Failure = 0;
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

int LookUp(std::string const& host, std::string const& port, int flags, std::vector<Address>& addresses) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | flags;
  addrinfo* list = nullptr;
  int const failure = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &list);
  if (failure == 0) {
    std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> const owned{list, &::freeaddrinfo};
    addresses = ToAddresses(list);
  }
  return failure;
}

void Answer(std::shared_ptr<Question> const& question) {
  std::vector<Address> addresses;
  int failure = EAI_MEMORY;
  try {
    failure = LookUp(question->Host, question->Port, AI_ADDRCONFIG, addresses);
  } catch (std::bad_alloc const&) {
    addresses.clear();  // nobody above could catch it
  }
  std::lock_guard<std::mutex> const lock{question->Mutex};
  question->Failure = failure;
  question->Addresses = std::move(addresses);
  question->Done = true;
  if (question->Abandoned) {
    AbandonedLookups::Remove();
  }
  std::uint64_t const one = 1;
  static_cast<void>(!::write(question->Answered.Get(), &one, sizeof one));
}

void Abandon(Question& question) {
  std::lock_guard<std::mutex> const lock{question.Mutex};
  if (!question.Done) {
    question.Abandoned = true;
    AbandonedLookups::Add();
  }
}

[[noreturn]] void ThrowNotResolved(std::string const& host, std::string const& why, bool transient) {
  ErrorDetails details{
      errors::NameResolutionFailed, "The host name " + host + " could not be resolved: " + why,
      "Check the name's spelling, this machine's DNS and its network"};
  details.NothingSent = true;
  details.Transient = transient;
  throw Error{std::move(details)};
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
  auto const portText = std::to_string(port);
  std::vector<Address> literal;
  if (LookUp(host, portText, AI_NUMERICHOST, literal) == 0) {
    return literal;
  }

  if (AbandonedLookups::AreTooMany()) {
    ThrowNotResolved(
        host,
        std::to_string(AbandonedLookups::Maximum) + " earlier lookups still wait for name servers that do not answer",
        true);
  }
  // getaddrinfo cannot be interrupted, so it has a thread of its own that is left behind when the context ends first.
  auto question = std::make_shared<Question>();
  question->Host = host;
  question->Port = portText;
  question->Answered = Descriptor{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
  if (!question->Answered.IsOpen()) {
    ThrowNotResolved(host, "too many open files", true);
  }
  try {
    std::thread{[question] { Answer(question); }}.detach();
  } catch (std::system_error const& error) {
    ThrowNotResolved(host, error.what(), true);
  }
  for (;;) {
    {
      std::lock_guard<std::mutex> const lock{question->Mutex};
      if (question->Done) {
        break;
      }
    }
    try {
      waiter.Wait(question->Answered.Get(), POLLIN);
    } catch (Error const&) {
      Abandon(*question);
      throw;
    }
  }
  if (question->Failure != 0) {
    ThrowNotResolved(host, ::gai_strerror(question->Failure), question->Failure == EAI_AGAIN);
  }
  return TakeTurns(std::move(question->Addresses));
}

}  // namespace mtlspop::openssl
