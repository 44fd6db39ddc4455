#include "der.hpp"

#include <algorithm>
#include <array>

#include <gsl/assert>

namespace mtlspop::der {
namespace {

void AppendLength(Bytes& out, std::size_t length) {
  if (length < 0x80) {
    out.push_back(static_cast<std::uint8_t>(length));
    return;
  }
  std::array<std::uint8_t, sizeof(std::size_t)> octets{};
  std::size_t count = 0;
  for (; length != 0; length >>= 8) octets[count++] = static_cast<std::uint8_t>(length & 0xFF);
  out.push_back(static_cast<std::uint8_t>(0x80 | count));
  while (count != 0) out.push_back(octets[--count]);
}

void AppendBase128(Bytes& out, std::uint32_t value) {
  std::array<std::uint8_t, 5> groups{};
  std::size_t count = 0;
  do {
    groups[count++] = static_cast<std::uint8_t>(value & 0x7F);
    value >>= 7;
  } while (value != 0);
  while (count > 1) out.push_back(static_cast<std::uint8_t>(groups[--count] | 0x80));
  out.push_back(groups[0]);
}

}  // namespace

Bytes Encode(Tag tag, gsl::span<std::uint8_t const> content) {
  Bytes out;
  out.reserve(content.size() + 6);
  out.push_back(static_cast<std::uint8_t>(tag));
  AppendLength(out, content.size());
  out.insert(out.end(), content.begin(), content.end());
  return out;
}

Bytes Encode(Tag tag, std::string_view content) {
  return Encode(
      tag, gsl::span<std::uint8_t const>{reinterpret_cast<std::uint8_t const*>(content.data()), content.size()});
}

Bytes Encode(Tag tag, std::initializer_list<Bytes> parts) {
  Bytes content;
  for (auto const& part : parts) content.insert(content.end(), part.begin(), part.end());
  return Encode(tag, gsl::span<std::uint8_t const>{content});
}

Bytes SmallInteger(std::uint8_t value) {
  Expects(value < 0x80);
  return {static_cast<std::uint8_t>(Tag::Integer), 1, value};
}

Bytes Null() { return {static_cast<std::uint8_t>(Tag::Null), 0}; }

Bytes ObjectIdentifier(std::initializer_list<std::uint32_t> arcs) {
  Expects(arcs.size() >= 2);
  auto const* arc = arcs.begin();
  Bytes content;
  AppendBase128(content, arc[0] * 40 + arc[1]);
  for (arc += 2; arc != arcs.end(); ++arc) AppendBase128(content, *arc);
  return Encode(Tag::ObjectIdentifier, gsl::span<std::uint8_t const>{content});
}

Bytes BitString(gsl::span<std::uint8_t const> content) {
  Bytes bits(content.size() + 1);  // the first: unused bits in the last byte
  std::copy(content.begin(), content.end(), bits.begin() + 1);
  return Encode(Tag::BitString, gsl::span<std::uint8_t const>{bits});
}

}  // namespace mtlspop::der
