#pragma once

/// @file
/// The functions with which bindings rest in CurrentUser\My, as an interface, so that tests can fill a store with what
/// only years of use would.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <windows.h>

#include <wincrypt.h>

#include <gsl/span>

namespace mtlspop::windows {

/// Where a certificate's private key is, as CERT_KEY_PROV_INFO_PROP_ID names it.
struct KeyLocation {
  std::wstring Provider;
  std::wstring Name;
};

/// One certificate of the store with the properties that matter here.
struct StoreEntry {
  std::vector<std::uint8_t> Der;
  /// CERT_FRIENDLY_NAME_PROP_ID, empty where there is none.
  std::wstring FriendlyName;
  /// Both empty where there is none.
  KeyLocation Key;
};

/// The store.
///
/// Thread safety: all members may be called from any thread at any time.
class StoreFunctions {
 public:
  virtual ~StoreFunctions() = default;

  /// What is in CurrentUser\My.
  /// @throw Error `system_failure` where the store cannot be read
  virtual std::vector<StoreEntry> Read() = 0;
  /// Adds a certificate with its properties at once, in the place of one with the same bytes.
  /// @throw Error `system_failure`
  virtual void Add(StoreEntry const& entry) = 0;
  /// Removes the certificate with these bytes. Returns whether there was one.
  /// @throw Error `system_failure`
  virtual bool Remove(gsl::span<std::uint8_t const> der) = 0;
};

/// Windows' own.
std::shared_ptr<StoreFunctions> SystemStore();

}  // namespace mtlspop::windows
