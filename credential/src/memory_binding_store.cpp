#include <map>
#include <mutex>
#include <set>

#include "mtlspop/base/per_process.hpp"
#include "mtlspop/base/wait.hpp"
#include "mtlspop/credential/binding_store.hpp"

namespace mtlspop {
namespace {

class MemoryBindingStore final : public BindingStore, public std::enable_shared_from_this<MemoryBindingStore> {
 public:
  std::unique_ptr<Lock> Acquire(std::string_view name, Context const& context) override {
    auto& state = state_.Get();
    std::unique_lock<std::mutex> lock{state.Mutex};
    auto const isFree = [&] { return state.Held.count(name) == 0; };
    if (!state.Released.WaitUntil(lock, Context::TimePoint::max(), context, isFree)) return nullptr;
    // What may fail comes first: a lock that nobody has is never let go of.
    std::set<std::string, std::less<>> entry{std::string{name}};
    auto held = std::make_unique<Held>(shared_from_this(), state, std::string{name});
    state.Held.insert(entry.extract(entry.begin()));
    return held;
  }

  std::optional<StoredBinding> Load(std::string_view name) override {
    auto& state = state_.Get();
    std::lock_guard<std::mutex> const lock{state.Mutex};
    auto const found = state.Bindings.find(name);
    return found == state.Bindings.end() ? std::nullopt : std::make_optional(found->second);
  }

  void Save(std::string_view name, StoredBinding const& binding) override {
    auto& state = state_.Get();
    std::lock_guard<std::mutex> const lock{state.Mutex};
    state.Bindings.insert_or_assign(std::string{name}, binding);
  }

  void Remove(std::string_view name, std::string_view x5tS256) override {
    auto& state = state_.Get();
    std::lock_guard<std::mutex> const lock{state.Mutex};
    auto const found = state.Bindings.find(name);
    if (found != state.Bindings.end() && found->second.Certificate->X5tS256() == x5tS256) state.Bindings.erase(found);
  }

 private:
  struct State {
    /// A child of fork() goes on with its parent's bindings, unless one was being changed just then. Nobody there will
    /// ever let go of what the parent's threads hold.
    explicit State(State* parents) {
      if (parents == nullptr) return;
      std::unique_lock<std::mutex> const lock{parents->Mutex, std::try_to_lock};
      if (lock) Bindings = parents->Bindings;
    }

    std::mutex Mutex;
    WaitList Released;
    std::set<std::string, std::less<>> Held;
    std::map<std::string, StoredBinding, std::less<>> Bindings;
  };

  class Held final : public Lock {
   public:
    Held(std::shared_ptr<MemoryBindingStore> store, State& state, std::string name)
        : store_(std::move(store)), state_(state), name_(std::move(name)) {}
    ~Held() override {
      // What was held before a fork is not held in the child.
      if (store_->state_.Find() != &state_) return;
      std::lock_guard<std::mutex> const lock{state_.Mutex};
      state_.Held.erase(name_);
      state_.Released.WakeFirstReady();
    }

   private:
    std::shared_ptr<MemoryBindingStore> store_;
    State& state_;
    std::string name_;
  };

  PerProcess<State> state_;
};

}  // namespace

gsl::not_null<std::shared_ptr<BindingStore>> MakeMemoryBindingStore() {
  return std::shared_ptr<BindingStore>{std::make_shared<MemoryBindingStore>()};
}

}  // namespace mtlspop
