#pragma once

/// @file
/// PKCS#11 URIs (RFC 7512), read by p11-kit.

#include <memory>
#include <string>
#include <vector>

#include <p11-kit/p11-kit.h>
#include <p11-kit/uri.h>

#include "mtlspop/transport/secret.hpp"

namespace mtlspop::pkcs11 {

/// Thread safety: immutable.
class Uri final {
 public:
  /// @throw Error `invalid_argument`
  explicit Uri(std::string const& text);

  /// Whether module, slot and token are what it names: `library-...`, `slot-...`, and the token's own attributes.
  bool Matches(CK_FUNCTION_LIST* module, CK_SLOT_ID slot, CK_TOKEN_INFO const& token) const noexcept;
  /// "" where the configured modules are to be asked.
  std::string ModulePath() const;
  /// The PIN that it names, by value or by source; empty where it names none.
  /// @throw Error `key_unavailable` where the source cannot be read
  Secret Pin() const;
  /// CKA_LABEL and CKA_ID; empty where the URI lacks them.
  std::string Label() const { return Attribute(CKA_LABEL); }
  std::string Id() const { return Attribute(CKA_ID); }
  /// Without the query, in which the PIN may be.
  std::string const& ForMessages() const noexcept { return forMessages_; }

 private:
  std::string Attribute(CK_ATTRIBUTE_TYPE type) const;

  std::unique_ptr<P11KitUri, decltype(&p11_kit_uri_free)> uri_;
  std::string forMessages_;
};

/// `id` as the path of a URI: "pkcs11:id=%01%02".
std::string UriOfId(std::string const& id);

}  // namespace mtlspop::pkcs11
