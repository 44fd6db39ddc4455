// SHA-256, random bytes and GUIDs.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace mtlspop_emulator {

std::string Sha256(std::string_view bytes);

std::string RandomBytes(std::size_t count);

std::string RandomGuid();

// The same GUID for the same seed, so that identities keep their names from run to run.
std::string DerivedGuid(std::string_view seed);

}  // namespace mtlspop_emulator
