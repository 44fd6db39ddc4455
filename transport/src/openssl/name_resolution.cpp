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
#include <sys/eventfd.h>
#include <unistd.h>
#include <gsl/util>

#include "mtlspop/base/per_process.hpp"
#include "mtlspop/transport/error.hpp"
#include "openssl/exhaustion.hpp"
#include "openssl/socket.hpp"

namespace mtlspop::openssl {
namespace {

/// One lookup, which all who ask for the same name at the same time share. Guarded by the mutex of its `Lookups`.
struct Question {
  std::string Host;
  std::string Port;
  /// Becomes readable with the answer, and stays so.
  Descriptor Answered;
  std::size_t Askers = 0;
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

[[noreturn]] void ThrowNotResolved(std::string const& host, std::string const& why, bool transient) {
  ErrorDetails details{
      errors::NameResolutionFailed, "The host name " + host + " could not be resolved: " + why,
      "Check the name's spelling, this machine's DNS and its network"};
  details.NothingSent = true;
  details.Transient = transient;
  throw Error{std::move(details)};
}

/// The lookups of this process. getaddrinfo cannot be interrupted, so each has a thread of its own, which is left behind
/// when all who asked have gone. A name server that never answers costs one thread for each name, and no more than
/// `MaximumAbandoned` of those that nobody waits for.
///
/// Thread safety: all members may be called from any thread at any time.
class Lookups final {
 public:
  static constexpr std::ptrdiff_t MaximumAbandoned = 64;

  /// In a forked child the parent's lock may be held for ever, and its threads are not there.
  explicit Lookups(Lookups* /*parents*/) {}
  /// Those of this process.
  static Lookups& Instance();

  /// @throw Error `name_resolution_failed` where too many are left behind
  std::shared_ptr<Question> Ask(std::string const& host, std::string const& port);
  void Leave(std::shared_ptr<Question> const& question) noexcept;
  /// Null while there is none.
  Question const* AnswerOf(std::shared_ptr<Question> const& question);

 private:
  void Run(std::shared_ptr<Question> const& question) noexcept;

  std::mutex mutex_;
  std::vector<std::shared_ptr<Question>> running_;
};

Lookups& Lookups::Instance() {
  static auto& instance = *new PerProcess<Lookups>;  // never destroyed: threads may outlive everything else
  return instance.Get();
}

std::shared_ptr<Question> Lookups::Ask(std::string const& host, std::string const& port) {
  std::lock_guard<std::mutex> const lock{mutex_};
  for (auto const& question : running_) {
    if (question->Host == host && question->Port == port) {
      ++question->Askers;
      return question;
    }
  }
  auto const abandoned =
      std::count_if(running_.begin(), running_.end(), [](auto const& question) { return question->Askers == 0; });
  if (abandoned >= MaximumAbandoned) {
    ThrowNotResolved(
        host, std::to_string(abandoned) + " lookups of other names still wait for name servers that do not answer",
        true);
  }
  auto question = std::make_shared<Question>();
  question->Host = host;
  question->Port = port;
  question->Askers = 1;
  question->Answered = Descriptor{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
  if (!question->Answered.IsOpen()) {
    ThrowExhausted("The host name " + host + " could not be looked up", errno);
  }
  running_.push_back(question);
  try {
    std::thread{[this, question] { Run(question); }}.detach();
  } catch (std::system_error const& error) {
    running_.pop_back();
    ThrowExhausted("No thread could be started to look the host name " + host + " up", error.code().value());
  }
  return question;
}

void Lookups::Leave(std::shared_ptr<Question> const& question) noexcept {
  std::lock_guard<std::mutex> const lock{mutex_};
  --question->Askers;
}

Question const* Lookups::AnswerOf(std::shared_ptr<Question> const& question) {
  std::lock_guard<std::mutex> const lock{mutex_};
  return question->Done ? question.get() : nullptr;
}

void Lookups::Run(std::shared_ptr<Question> const& question) noexcept {
  std::vector<Address> addresses;
  int failure = EAI_MEMORY;
  try {
    failure = LookUp(question->Host, question->Port, AI_ADDRCONFIG, addresses);
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
  std::uint64_t const one = 1;
  static_cast<void>(!::write(question->Answered.Get(), &one, sizeof one));
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

  waiter.Describe("Resolving the host name");
  auto& lookups = Lookups::Instance();
  auto const question = lookups.Ask(host, portText);
  auto const leave = gsl::finally([&] { lookups.Leave(question); });
  auto const* answer = lookups.AnswerOf(question);
  while (answer == nullptr) {
    waiter.Wait(question->Answered.Get(), POLLIN);
    answer = lookups.AnswerOf(question);
  }
  // Nothing changes any more once it is there.
  if (answer->Failure != 0 && answer->Cause != 0) {
    ThrowExhausted("The host name " + host + " could not be looked up", answer->Cause);
  }
  if (answer->Failure != 0) {
    ThrowNotResolved(host, ::gai_strerror(answer->Failure), answer->Failure == EAI_AGAIN);
  }
  return TakeTurns(answer->Addresses);
}

}  // namespace mtlspop::openssl
