#include <condition_variable>
#include <map>
#include <mutex>
#include <set>

#include "mtlspop/credential/binding_store.hpp"

namespace mtlspop {
namespace {

/// One condition variable serves all names: whoever waits here waits for a certificate to be issued.
class MemoryBindingStore final : public BindingStore, public std::enable_shared_from_this<MemoryBindingStore> {
 public:
  std::unique_ptr<Lock> Acquire(std::string_view name, Context const& context) override {
    std::unique_lock<std::mutex> lock{mutex_};
    // Whoever holds it may be sending; a cancelled waiter finds out within this time.
    constexpr std::chrono::milliseconds look{20};
    while (held_.count(name) != 0) {
      if (context.IsCancelled() || context.IsExpired()) return nullptr;
      released_.wait_for(lock, look);
    }
    held_.emplace(name);
    return std::make_unique<Held>(shared_from_this(), std::string{name});
  }

  std::optional<StoredBinding> Load(std::string_view name) override {
    std::lock_guard<std::mutex> const lock{mutex_};
    auto const found = bindings_.find(name);
    return found == bindings_.end() ? std::nullopt : std::make_optional(found->second);
  }

  void Save(std::string_view name, StoredBinding const& binding) override {
    std::lock_guard<std::mutex> const lock{mutex_};
    bindings_.insert_or_assign(std::string{name}, binding);
  }

  void Remove(std::string_view name, std::string_view keyId) override {
    std::lock_guard<std::mutex> const lock{mutex_};
    auto const found = bindings_.find(name);
    if (found != bindings_.end() && found->second.Certificate->KeyId() == keyId) bindings_.erase(found);
  }

 private:
  class Held final : public Lock {
   public:
    Held(std::shared_ptr<MemoryBindingStore> store, std::string name)
        : store_(std::move(store)), name_(std::move(name)) {}
    ~Held() override { store_->Release(name_); }

   private:
    std::shared_ptr<MemoryBindingStore> store_;
    std::string name_;
  };

  void Release(std::string const& name) {
    {
      std::lock_guard<std::mutex> const lock{mutex_};
      held_.erase(name);
    }
    released_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable released_;
  std::set<std::string, std::less<>> held_;
  std::map<std::string, StoredBinding, std::less<>> bindings_;
};

}  // namespace

gsl::not_null<std::shared_ptr<BindingStore>> MakeMemoryBindingStore() {
  return std::shared_ptr<BindingStore>{std::make_shared<MemoryBindingStore>()};
}

}  // namespace mtlspop
