#include "openssl/name_resolution.hpp"

#include <algorithm>
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
#include "openssl/socket.hpp"

namespace mtlspop::openssl {
namespace {

/// What the asking and the answering thread share. Whoever is last frees it: an asker whose context ends leaves.
struct Question {
  std::string Host;
  std::string Port;
  Descriptor Answered;
  std::mutex Mutex;
  bool Done = false;
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
  std::uint64_t const one = 1;
  static_cast<void>(!::write(question->Answered.Get(), &one, sizeof one));
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
    waiter.Wait(question->Answered.Get(), POLLIN);
  }
  if (question->Failure != 0) {
    ThrowNotResolved(host, ::gai_strerror(question->Failure), question->Failure == EAI_AGAIN);
  }
  return TakeTurns(std::move(question->Addresses));
}

}  // namespace mtlspop::openssl
