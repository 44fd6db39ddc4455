#include "schannel/connection_ledger.hpp"

#include <utility>

namespace mtlspop::schannel {

std::uint64_t ConnectionLedger::Opened(
    std::string const& localEndpoint, std::string owner, std::string host, std::string x5tS256) {
  std::optional<Entry> gone;
  std::uint64_t number = 0;
  {
    std::lock_guard<std::mutex> const lock{mutex_};
    number = ++opened_;
    if (!localEndpoint.empty()) {
      Entry entry{std::move(owner), number, std::move(host), std::move(x5tS256)};
      // A port that comes again is a new connection: the old one is gone. That also bounds the map, by the number of ports.
      auto const [at, isNew] = entries_.try_emplace(localEndpoint);
      if (!isNew) {
        gone = std::move(at->second);
      }
      at->second = std::move(entry);
    }
  }
  if (gone) {
    Say(std::move(*gone), CloseReason::NotKnown);
  }
  return number;
}

void ConnectionLedger::ClosedWith(std::string const& session, CloseReason why) noexcept {
  // What an owner begins with.
  auto const isOf = [&session](std::string const& owner) {
    return owner.size() > session.size() && owner[session.size()] == '|' &&
           owner.compare(0, session.size(), session) == 0;
  };
  std::map<std::string, Entry> gone;
  {
    std::lock_guard<std::mutex> const lock{mutex_};
    for (auto at = entries_.begin(); at != entries_.end();) {
      auto const current = at++;
      if (isOf(current->second.Owner)) {
        gone.insert(entries_.extract(current));
      }
    }
  }
  for (auto& [endpoint, entry] : gone) {
    Say(std::move(entry), why);
  }
}

void ConnectionLedger::Say(Entry&& closed, CloseReason why) const noexcept {
  if (observer_.IsEnabled(Severity::Debug)) {
    TellClosed(observer_, callbacks_, {std::move(closed.Host), closed.Number, std::move(closed.X5tS256), why});
  }
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
