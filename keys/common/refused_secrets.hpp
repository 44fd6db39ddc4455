#pragma once

/// @file
/// PINs and authorizations that are shown to devices: devices lock after a few wrong ones, and whoever tries again every
/// half minute locks them.

#include <string>
#include <utility>

#include "mtlspop/transport/context.hpp"
#include "mtlspop/transport/secret.hpp"

namespace mtlspop::keys {

/// The right to do something to a device, until it goes out of scope. One thread of the process has it at a time; a child of
/// fork() has it to itself.
class DeviceTurn final {
 public:
  /// Waits until nobody else has the right of that name.
  /// @throw Error `cancelled`, `deadline_exceeded` where it is the context that ends
  DeviceTurn(std::string name, Context const& context);
  ~DeviceTurn();
  DeviceTurn(DeviceTurn const&) = delete;
  DeviceTurn& operator=(DeviceTurn const&) = delete;

 private:
  std::string const name_;
};

/// The right to show secrets to a device: of many who come with the same wrong secret the first one shows it, and the others
/// hear that it was refused. A child of fork() knows what its parent's devices have refused.
class SecretShowing final {
 public:
  /// @throw Error `cancelled`, `deadline_exceeded` where it is the context that ends
  SecretShowing(std::string device, Context const& context) : device_(std::move(device)), turn_(device_, context) {}

  /// Whether the device has refused `secret` in this process. Digests are kept, no secrets.
  bool WasRefused(Secret const& secret) const;
  void NoteRefused(Secret const& secret) const;

 private:
  std::string const device_;
  DeviceTurn const turn_;
};

}  // namespace mtlspop::keys
