#pragma once

/// @file
/// A file store that holds a binding.

#include <memory>
#include <optional>
#include <string>

#include "fake_cloud.hpp"
#include "mtlspop/credential/binding_store.hpp"
#include "store_folder.hpp"

namespace mtlspop::test {

/// A store with one binding, named "name".
struct StoreWorld : StoreFolder {
  StoreWorld() : Store(Make()) {
    ManagedIdentityWorld identity;
    identity.Options.Time = std::shared_ptr<Clock>{Time};
    auto const store = std::make_shared<Watch>();
    identity.Options.Store = store;
    identity.Get();
    Binding = store->Saved;
    Store->Save("name", Binding);
  }
  gsl::not_null<std::shared_ptr<BindingStore>> Make() {
    return MakeFileBindingStore({Folder, Lines.MakeObserver(), gsl::make_not_null(std::shared_ptr<Clock>{Time})});
  }
  std::string X5tS256() const { return std::string{Binding.Certificate->X5tS256()}; }

  /// Remembers what it was given, with its exportable key.
  class Watch final : public BindingStore {
   public:
    std::unique_ptr<Lock> Acquire(std::string_view, Context const&) override { return nullptr; }
    std::optional<StoredBinding> Load(std::string_view) override { return std::nullopt; }
    void Save(std::string_view, StoredBinding const& binding) override { Saved = binding; }
    void Remove(std::string_view, std::string_view) override {}
    StoredBinding Saved;
  };

  std::shared_ptr<ManualClock> Time = std::make_shared<ManualClock>();
  LogLines Lines;
  StoredBinding Binding;
  gsl::not_null<std::shared_ptr<BindingStore>> Store;
};

}  // namespace mtlspop::test
