#pragma once

/// @file
/// A SoftHSM token of a test's own.

#include <string>
#include <string_view>
#include <vector>

#include "support/temporary_directory.hpp"

namespace mtlspop::test {

/// One token, "app", with the PIN 12345678. SoftHSM reads its configuration from this process's environment once, so that
/// all tokens of a process are in one folder.
class SoftwareToken final {
 public:
  explicit SoftwareToken(std::string label = "app");

  static constexpr std::string_view Pin = "12345678";

  /// A URI of this token, through SoftHSM itself.
  std::string Uri(std::string const& object) const;
  /// The same through the module that can be taken out.
  std::string RemovableUri(std::string const& object) const;
  std::string const& Label() const noexcept { return label_; }
  /// Runs pkcs11-tool on the token, logged in.
  void Tool(std::vector<std::string> arguments) const;
  /// A key that may not sign.
  void MakeDecryptingKey(std::string const& label) const;
  std::string PathOf(std::string_view name) const { return folder_.PathOf(name); }
  TemporaryDirectory const& Folder() const noexcept { return folder_; }

 private:
  std::string const label_;
  TemporaryDirectory folder_;
};

/// Controls of the module that can be taken out.
struct RemovableModule {
  /// Takes the token out, or puts it back.
  static void SetPresent(bool present);
  /// How often PINs were shown to it.
  static int Logins();
  /// Has its tokens have these flags beside their own (CKF_...).
  static void SetFlags(unsigned long flags);
  /// Whether it makes no keys, and the id of one that another process makes just before the next one; negative for none.
  static void SetMaking(bool none, int twin);
  /// How many sessions it gives, 0 for any number, and whether its tokens say so.
  static void SetSessions(unsigned long most, bool says);
  /// What whoever stands at the pad types, where no PIN is shown. Borrowed; null for nobody.
  static void SetTyped(char const* pin);
  /// Has it fail with `reason` (CKR_...) once, when so many readings of objects have gone well.
  static void FailReading(int after, unsigned long reason);
  /// Has whoever logs in wait until it is called with false.
  static void HoldLogins(bool hold);
  /// Has it do without CKM_RSA_PKCS_PSS, without CKM_RSA_X_509.
  static void SetLacking(bool pss, bool raw);
  /// The mechanism that a signature was last begun with.
  static unsigned long LastUsed();
};

}  // namespace mtlspop::test
