#include "gateway/handles.hpp"

#include <openssl/rand.h>
#include <openssl/sha.h>

#include "gateway/random_secret.hpp"
#include "mtlspop/transport/error.hpp"

namespace mtlspop::gateway {
namespace {

std::array<std::uint8_t, 32> DigestOf(std::string_view text) noexcept {
  std::array<std::uint8_t, 32> digest{};
  SHA256(reinterpret_cast<unsigned char const*>(text.data()), text.size(), digest.data());
  return digest;
}

std::string NameOf(HandleGrant const& grant) { return grant.Identity.ToString() + "\n" + grant.Resource; }

}  // namespace

std::optional<Handles::Issued> Handles::Issue(HandleGrant const& grant, TimePoint now) {
  std::lock_guard<std::mutex> const lock{mutex_};
  DropExpired(now);
  auto const name = NameOf(grant);
  auto const known = current_.find(name);
  if (known != current_.end() && known->second.ExpiresOn - now >= lifetime_ / 2) return known->second;
  if (known == current_.end() && current_.size() >= MaximumGrants) return std::nullopt;

  // As long as tokens are, so that `Redact` takes it for one.
  std::string text{Prefix};
  text.append(RandomSecret().Reveal()).append(RandomSecret().Reveal());
  Issued issued{Secret{std::move(text)}, now + lifetime_};
  entries_[DigestOf(issued.Handle.Reveal())] = {grant, issued.ExpiresOn};
  current_[name] = issued;
  return issued;
}

std::optional<HandleGrant> Handles::Find(std::string_view handle, TimePoint now) const {
  auto const digest = DigestOf(handle);
  std::lock_guard<std::mutex> const lock{mutex_};
  auto const found = entries_.find(digest);
  if (found == entries_.end() || found->second.ExpiresOn <= now) return std::nullopt;
  return found->second.Grant;
}

bool Handles::IsPartOf(std::string_view text) noexcept { return text.find(Prefix) != std::string_view::npos; }

void Handles::DropExpired(TimePoint now) {
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    entry = entry->second.ExpiresOn <= now ? entries_.erase(entry) : std::next(entry);
  }
  for (auto entry = current_.begin(); entry != current_.end();) {
    entry = entry->second.ExpiresOn <= now ? current_.erase(entry) : std::next(entry);
  }
}

}  // namespace mtlspop::gateway
