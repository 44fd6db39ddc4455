#pragma once

/// @file
/// Writes DER (ITU-T X.690), as much of it as a certificate request needs.

#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <vector>

#include <gsl/span>

namespace mtlspop::der {

using Bytes = std::vector<std::uint8_t>;

/// Identifier octets (X.690 section 8.1.2).
enum class Tag : std::uint8_t {
  Integer = 0x02,
  BitString = 0x03,
  Null = 0x05,
  ObjectIdentifier = 0x06,
  Utf8String = 0x0C,
  PrintableString = 0x13,
  Ia5String = 0x16,
  Sequence = 0x30,
  Set = 0x31,
  Context0 = 0xA0,
  Context1 = 0xA1,
  Context2 = 0xA2,
};

/// Tag, length and content.
Bytes Encode(Tag tag, gsl::span<std::uint8_t const> content);
Bytes Encode(Tag tag, std::string_view content);
/// A constructed value of the parts, in this order.
Bytes Encode(Tag tag, std::initializer_list<Bytes> parts);

/// An integer from 0 to 127.
Bytes SmallInteger(std::uint8_t value);
Bytes Null();
/// An object identifier from its arcs, for example {1, 2, 840}. The first arc is 0 to 2, the second below 40.
Bytes ObjectIdentifier(std::initializer_list<std::uint32_t> arcs);
/// A bit string of whole bytes.
Bytes BitString(gsl::span<std::uint8_t const> content);

}  // namespace mtlspop::der
