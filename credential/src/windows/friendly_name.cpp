#include "friendly_name.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "../crypto.hpp"
#include "mtlspop/base/encoding.hpp"
#include "mtlspop/base/saturated_time.hpp"

namespace mtlspop::windows {
namespace {

constexpr std::size_t Parts = 9;

}  // namespace

std::string BindingTag(std::string_view name) {
  auto const digest = crypto::Sha256(encoding::AsBytes(name));
  return encoding::ToBase64Url(gsl::span<std::uint8_t const>{digest}.first(16));
}

std::optional<std::wstring> Format(FriendlyName const& name) {
  auto const seconds = std::chrono::duration_cast<std::chrono::seconds>(name.IssuedOn.time_since_epoch()).count();
  std::array<std::string, Parts> const parts{
      "mtlspop",
      "1",
      name.Tag,
      name.ClientId,
      name.TenantId,
      name.MtlsEndpoint,
      name.TokenEndpoint,
      name.Attested ? "attested" : "unattested",
      std::to_string(seconds)};
  std::wstring text;
  for (auto const& part : parts) {
    bool const isPlain = std::all_of(part.begin(), part.end(), [](char character) {
      return character > ' ' && character < 0x7F && character != '|';
    });
    if (!isPlain) {
      return std::nullopt;
    }
    text += text.empty() ? L"" : L"|";
    text.append(part.begin(), part.end());
  }
  return text;
}

std::optional<FriendlyName> ParseFriendlyName(std::wstring_view text) {
  std::vector<std::string> parts(1);
  for (wchar_t const character : text) {
    if (character > 0x7E) {
      return std::nullopt;
    }
    if (character == L'|') {
      parts.emplace_back();
    } else {
      parts.back() += static_cast<char>(character);
    }
  }
  if (parts.size() != Parts || parts[0] != "mtlspop" || parts[1] != "1" || parts[8].empty() || parts[8].size() > 12 ||
      parts[8].find_first_not_of("0123456789") != std::string::npos) {
    return std::nullopt;
  }
  FriendlyName name{parts[2], parts[3], parts[4], parts[5], parts[6], parts[7] == "attested", {}};
  std::int64_t issuedOn = 0;
  std::from_chars(parts[8].data(), parts[8].data() + parts[8].size(), issuedOn);
  name.IssuedOn = ToSaturatedTime(issuedOn);
  return name;
}

}  // namespace mtlspop::windows
