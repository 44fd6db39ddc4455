#include "mtlspop/policies/resource_memory.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <shared_mutex>
#include <utility>
#include <vector>

#include "known_resource.hpp"
#include "mtlspop/base/per_process.hpp"
#include "mtlspop/transport/error.hpp"

namespace mtlspop {
namespace {

using Options = std::shared_ptr<ResourceMemoryOptions const>;

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

// A child of fork() begins with nothing: what its parent's threads are asking a resource just then, nobody would answer there.
struct Memory {
  explicit Memory(Memory* /*parents*/) {}

  using Entry = std::pair<Origin, std::shared_ptr<KnownResource>>;

  std::shared_ptr<KnownResource> FindLocked(Origin const& origin) const {
    auto const found =
        std::find_if(Entries.begin(), Entries.end(), [&origin](Entry const& entry) { return entry.first == origin; });
    return found == Entries.end() ? nullptr : found->second;
  }

  // Spares everybody the lock for as long as there is nothing to know.
  std::atomic<bool> IsEmpty{true};
  std::shared_mutex Mutex;
  std::vector<Entry> Entries;
};

}  // namespace

class ResourceMemory::Impl final {
 public:
  explicit Impl(ResourceMemoryOptions options)
      : options_(std::make_shared<ResourceMemoryOptions const>(Checked(std::move(options)))) {}

  std::shared_ptr<KnownResource> Find(Origin const& origin) const {
    auto& memory = memory_.Get();
    if (memory.IsEmpty) return nullptr;
    std::shared_lock const lock{memory.Mutex};
    return memory.FindLocked(origin);
  }

  std::shared_ptr<KnownResource> Of(Origin const& origin) {
    if (auto known = Find(origin)) return known;
    auto& memory = memory_.Get();
    std::unique_lock const lock{memory.Mutex};
    if (auto known = memory.FindLocked(origin)) return known;
    if (memory.Entries.size() >= MaximumOrigins) memory.Entries.erase(memory.Entries.begin());
    memory.Entries.emplace_back(origin, std::make_shared<KnownResource>(options_));
    memory.IsEmpty = false;
    return memory.Entries.back().second;
  }

 private:
  std::shared_ptr<ResourceMemoryOptions const> options_;
  PerProcess<Memory> memory_;
};

ResourceMemory::ResourceMemory(ResourceMemoryOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}

ResourceMemory::~ResourceMemory() = default;

std::shared_ptr<KnownResource> ResourceMemory::Find(Origin const& origin) const { return impl_->Find(origin); }

std::shared_ptr<KnownResource> ResourceMemory::Of(Origin const& origin) { return impl_->Of(origin); }

}  // namespace mtlspop
