#pragma once

/// @file
/// A binding as the text of a file.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "mtlspop/credential/binding_store.hpp"
#include "mtlspop/transport/secret.hpp"

namespace mtlspop {

/// The text of a file that keeps `binding` under `name`: with its key, or, where that cannot be taken out of where it is and
/// `keys` is not null, with a reference that `keys` opens. Empty where neither can be had.
Secret WriteStoredBinding(std::string_view name, StoredBinding const& binding, KeyProvider const* keys);

/// The binding in a file's text, none where anything is wrong with it: it was kept under another name, so that it is another
/// identity's; it was damaged; its key does not sign or is not its certificate's; an endpoint is no https URL; the key is in it,
/// and it was written on another machine or before this one was last started. Overwrites the key in `text`.
/// @throw Error for a certificate and key that do not belong together
std::optional<StoredBinding> ReadStoredBinding(
    std::string& text, std::string_view name, KeyProvider* keys, std::chrono::system_clock::time_point now);

}  // namespace mtlspop
