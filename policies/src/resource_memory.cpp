#include "mtlspop/policies/resource_memory.hpp"

#include <algorithm>
#include <mutex>

#include "known_resource.hpp"
#include "mtlspop/transport/error.hpp"

namespace mtlspop {
namespace {

ResourceMemoryOptions Checked(ResourceMemoryOptions options) {
  constexpr std::chrono::hours Longest{24 * 365};
  auto const isTime = [&](std::chrono::milliseconds time) { return time.count() >= 0 && time <= Longest; };
  if (!isTime(options.BearerOnlyLifetime) || !isTime(options.ExtraTokensWindow) || options.ExtraTokens < 0) {
    throw Error{
        {errors::InvalidArgument, "The options of what is remembered about resources are out of range",
         "Set ExtraTokens to 0 or more, BearerOnlyLifetime and ExtraTokensWindow to a time from 0 to a year"}};
  }
  return options;
}

}  // namespace

ResourceMemory::ResourceMemory(ResourceMemoryOptions options)
    : options_(std::make_shared<ResourceMemoryOptions const>(Checked(std::move(options)))) {}

ResourceMemory::~ResourceMemory() = default;

std::shared_ptr<KnownResource> ResourceMemory::FindLocked(Origin const& origin) const {
  auto const found =
      std::find_if(entries_.begin(), entries_.end(), [&origin](Entry const& entry) { return entry.first == origin; });
  return found == entries_.end() ? nullptr : found->second;
}

std::shared_ptr<KnownResource> ResourceMemory::Find(Origin const& origin) const {
  if (isEmpty_) return nullptr;
  std::shared_lock const lock{mutex_};
  return FindLocked(origin);
}

std::shared_ptr<KnownResource> ResourceMemory::Of(Origin const& origin) {
  if (auto known = Find(origin)) return known;
  std::unique_lock const lock{mutex_};
  if (auto known = FindLocked(origin)) return known;
  if (entries_.size() >= MaximumOrigins) entries_.erase(entries_.begin());
  entries_.emplace_back(origin, std::make_shared<KnownResource>(options_));
  isEmpty_ = false;
  return entries_.back().second;
}

}  // namespace mtlspop
