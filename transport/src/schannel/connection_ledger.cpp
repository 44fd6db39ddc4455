#include "schannel/connection_ledger.hpp"

#include <utility>

namespace mtlspop::schannel {

std::uint64_t ConnectionLedger::Opened(std::string const& localEndpoint, std::string owner) {
  std::lock_guard<std::mutex> const lock{mutex_};
  ++opened_;
  // A port that comes again is a new connection: the old one is gone. That also bounds the map, by the number of ports.
  if (!localEndpoint.empty()) {
    entries_.insert_or_assign(localEndpoint, Entry{std::move(owner), opened_});
  }
  return opened_;
}

std::optional<std::uint64_t> ConnectionLedger::Find(std::string const& localEndpoint, std::string const& owner) const {
  std::lock_guard<std::mutex> const lock{mutex_};
  auto const entry = entries_.find(localEndpoint);
  return entry != entries_.end() && entry->second.Owner == owner ? std::make_optional(entry->second.Number)
                                                                 : std::nullopt;
}

void ConnectionLedger::CountReuse() {
  std::lock_guard<std::mutex> const lock{mutex_};
  ++reused_;
}

std::uint64_t ConnectionLedger::OpenedSoFar() const {
  std::lock_guard<std::mutex> const lock{mutex_};
  return opened_;
}

std::uint64_t ConnectionLedger::ReusedSoFar() const {
  std::lock_guard<std::mutex> const lock{mutex_};
  return reused_;
}

}  // namespace mtlspop::schannel
