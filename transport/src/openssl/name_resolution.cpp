#include "openssl/name_resolution.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <utility>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

#include "mtlspop/base/per_process.hpp"
#include "mtlspop/base/thread_name.hpp"
#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/headers.hpp"
#include "openssl/exhaustion.hpp"

namespace mtlspop::openssl {
/// One lookup, which all who ask for the same name at the same time share. Guarded by the mutex of its `Lookups`.
struct Question {
  std::string Host;
  bool Running = false;
  bool Done = false;
  int Failure = 0;
  /// The errno value behind `Failure` where the name has no part in it, 0 otherwise.
  int Cause = 0;
  std::vector<Address> Addresses;
  std::vector<std::shared_ptr<Wakeable>> Askers;
};

namespace {

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

  /// A lookup of which `asker` is told when it is done.
  /// @throw Error `system_failure`
  std::shared_ptr<Question> Ask(std::string const& host, std::shared_ptr<Wakeable> const& asker);
  /// `asker` is not told any more. A lookup that has not begun, and that nobody waits for, is not made.
  void Leave(std::shared_ptr<Question> const& question, std::shared_ptr<Wakeable> const& asker) noexcept;
  /// After that the answer, which may be a failure, does not change any more.
  bool IsDone(Question const& question) const;

 private:
  std::shared_ptr<Question> Find(std::string const& host) const;
  void Start(std::shared_ptr<Question> const& question);
  void Run(std::shared_ptr<Question> question) noexcept;
  std::shared_ptr<Question> Finish(
      std::shared_ptr<Question> const& question, int failure, int cause, std::vector<Address> addresses) noexcept;

  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<Question>> running_;
  std::deque<std::shared_ptr<Question>> queued_;
};

Lookups& Lookups::Instance() {
  static auto& instance = *new PerProcess<Lookups>;  // never destroyed: threads may outlive everything else
  return instance.Get();
}

std::shared_ptr<Question> Lookups::Find(std::string const& host) const {
  auto const isOfHost = [&](auto const& question) { return question->Host == host; };
  auto const running = std::find_if(running_.begin(), running_.end(), isOfHost);
  if (running != running_.end()) {
    return *running;
  }
  auto const queued = std::find_if(queued_.begin(), queued_.end(), isOfHost);
  return queued == queued_.end() ? nullptr : *queued;
}

std::shared_ptr<Question> Lookups::Ask(std::string const& host, std::shared_ptr<Wakeable> const& asker) {
  std::lock_guard<std::mutex> const lock{mutex_};
  auto question = Find(host);
  if (question) {
    question->Askers.push_back(asker);
    return question;
  }
  question = std::make_shared<Question>();
  question->Host = host;
  question->Askers.push_back(asker);
  if (running_.size() < MaximumRunning || IsLocalhost(host)) {
    Start(question);
  } else {
    queued_.push_back(question);
  }
  return question;
}

void Lookups::Leave(std::shared_ptr<Question> const& question, std::shared_ptr<Wakeable> const& asker) noexcept {
  std::lock_guard<std::mutex> const lock{mutex_};
  auto& askers = question->Askers;
  auto const found = std::find(askers.begin(), askers.end(), asker);
  if (found != askers.end()) {
    askers.erase(found);
  }
  auto const queued = std::find(queued_.begin(), queued_.end(), question);
  if (askers.empty() && queued != queued_.end()) {
    queued_.erase(queued);
  }
}

bool Lookups::IsDone(Question const& question) const {
  std::lock_guard<std::mutex> const lock{mutex_};
  return question.Done;
}

void Lookups::Start(std::shared_ptr<Question> const& question) {
  running_.push_back(question);
  question->Running = true;
  try {
    std::thread{[this, question] { Run(question); }}.detach();
  } catch (std::system_error const& error) {
    running_.pop_back();
    ThrowExhausted("No thread could be started to look the host name " + question->Host + " up", error.code().value());
  } catch (...) {
    running_.pop_back();
    throw;
  }
}

void Lookups::Run(std::shared_ptr<Question> question) noexcept {
  NameThisThread("mtlspop-names");
  while (question) {
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
    question = Finish(question, failure, cause, std::move(addresses));
  }
}

/// Tells who asked, and returns the next lookup for this thread.
std::shared_ptr<Question> Lookups::Finish(
    std::shared_ptr<Question> const& question, int failure, int cause, std::vector<Address> addresses) noexcept {
  std::vector<std::shared_ptr<Wakeable>> askers;
  std::shared_ptr<Question> next;
  {
    std::lock_guard<std::mutex> const lock{mutex_};
    auto const running = std::find(running_.begin(), running_.end(), question);
    question->Failure = failure;
    question->Cause = cause;
    question->Addresses = std::move(addresses);
    question->Running = false;
    question->Done = true;
    askers.swap(question->Askers);
    if (!queued_.empty() && running_.size() <= MaximumRunning) {
      next = std::move(queued_.front());
      queued_.pop_front();
      next->Running = true;
      *running = next;
    } else {
      running_.erase(running);
    }
  }
  for (auto const& asker : askers) {
    asker->Wake();
  }
  return next;
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

Resolution::Resolution(std::string host, std::uint16_t port, Driver& driver)
    : host_(std::move(host)), port_(port), driver_(driver) {}

Resolution::~Resolution() {
  if (question_) {
    Lookups::Instance().Leave(question_, waker_);
  }
}

std::optional<std::vector<Address>> Resolution::TryTake() {
  auto& lookups = Lookups::Instance();
  if (!question_) {
    std::vector<Address> literal;
    if (LookUp(host_, AI_NUMERICHOST, literal) == 0) {
      SetPort(literal, port_);
      return literal;
    }
    waker_ = driver_.WakeHandle();
    question_ = lookups.Ask(host_, waker_);
  }
  if (!lookups.IsDone(*question_)) {
    return std::nullopt;
  }
  if (question_->Failure != 0 && question_->Cause != 0) {
    ThrowExhausted("The host name " + host_ + " could not be looked up", question_->Cause);
  }
  if (question_->Failure != 0) {
    ThrowNotResolved(host_, ::gai_strerror(question_->Failure), question_->Failure == EAI_AGAIN);
  }
  auto addresses = TakeTurns(question_->Addresses);
  SetPort(addresses, port_);
  return addresses;
}

}  // namespace mtlspop::openssl
