#include "mtlspop/transport/redact.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include "credential_fields.hpp"
#include "mtlspop/base/encoding.hpp"
#include "mtlspop/transport/headers.hpp"

namespace mtlspop {
namespace {

constexpr std::string_view Redacted = "[redacted]";

/// From this length on, an unbroken run of base64 characters is taken for a secret. An `x5t#S256` has 43 and a hexadecimal
/// SHA-256 thumbprint exactly 64 characters; neither is secret, and the shortest part of a JWT that could be is longer.
constexpr std::size_t OpaqueRunLength = 65;
/// A path is told from base64 by its short segments.
constexpr std::size_t LongestPathSegment = 48;
constexpr std::size_t LongestMixedSegment = 20;
/// What follows an authorization scheme and is at least this long is a credential and not a word of a sentence.
constexpr std::size_t ShortestCredential = 20;

/// Other header fields, JSON members, form fields and parameters whose value is secret.
constexpr std::array<std::string_view, 18> OtherSecretNames{
    "access_token",  "refresh_token", "id_token", "client_assertion", "assertion",  "attestation_token",
    "client_secret", "client_info",   "password", "passphrase",       "pwd",        "csr",
    "sig",           "signature",     "api-key",  "x-api-key",        "set-cookie", "cookie"};

constexpr auto SecretNames = [] {
  std::array<std::string_view, CredentialFields.size() + OtherSecretNames.size()> names{};
  std::size_t count = 0;
  for (auto const name : CredentialFields) names[count++] = name;
  for (auto const name : OtherSecretNames) names[count++] = name;
  return names;
}();

bool IsWordCharacter(char character) noexcept {
  return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
         (character >= '0' && character <= '9') || character == '_' || character == '-';
}

bool IsBase64Character(char character) noexcept {
  return IsWordCharacter(character) || character == '+' || character == '/' || character == '=';
}

bool IsSpace(char character) noexcept { return character == ' ' || character == '\t'; }

bool StartsWithIgnoreCase(std::string_view text, std::string_view start) noexcept {
  return text.size() >= start.size() && EqualsIgnoreCase(text.substr(0, start.size()), start);
}

/// Whether a piece of a path mixes capitals, small letters and digits over a length that names do not have.
bool LooksRandom(std::string_view segment) noexcept {
  auto const holds = [segment](char first, char last) {
    return std::any_of(
        segment.begin(), segment.end(), [&](char character) { return character >= first && character <= last; });
  };
  return segment.size() > LongestMixedSegment && holds('a', 'z') && holds('A', 'Z') && holds('0', '9');
}

/// Whether a run of base64 characters is a path: it begins as one, has short segments, and none of the characters that
/// base64 has and paths lack.
bool LooksLikePath(std::string_view run, char before) noexcept {
  bool const begins = run.front() == '/' || before == '.' || before == ':';
  if (!begins || run.find('/') == std::string_view::npos || run.find_first_of("+=") != std::string_view::npos) {
    return false;
  }
  while (!run.empty()) {
    auto const segment = run.substr(0, run.find('/'));
    if (segment.size() > LongestPathSegment || LooksRandom(segment)) {
      return false;
    }
    run.remove_prefix(std::min(segment.size() + 1, run.size()));
  }
  return true;
}

/// The recognizers below return how many characters at the beginning of `text` are secret, 0 for none.

std::size_t PemLength(std::string_view text) noexcept {
  constexpr std::string_view begin = "-----BEGIN ";
  constexpr std::string_view end = "-----END ";
  if (text.substr(0, begin.size()) != begin) {
    return 0;
  }
  auto const last = text.find(end);
  if (last == std::string_view::npos) {
    return text.size();
  }
  auto const close = text.find("-----", last + end.size());
  return close == std::string_view::npos ? text.size() : close + 5;
}

std::size_t JwtLength(std::string_view text) noexcept {
  // A JOSE header begins with {" and so its base64url with eyJ (RFC 7515 section 3.3).
  if (text.substr(0, 3) != "eyJ") {
    return 0;
  }
  std::size_t length = 0;
  while (length < text.size() && (IsBase64Character(text[length]) || text[length] == '.')) {
    ++length;
  }
  return length >= 10 ? length : 0;
}

std::size_t OpaqueRunLengthAt(std::string_view text, char before) noexcept {
  std::size_t length = 0;
  while (length < text.size() && IsBase64Character(text[length])) {
    ++length;
  }
  return length >= OpaqueRunLength && !LooksLikePath(text.substr(0, length), before) ? length : 0;
}

/// "Bearer abc...", "mtls_pop abc...", "Basic abc...": the length of the scheme and the spaces behind it, where a
/// credential follows.
std::size_t SchemeLength(std::string_view text) noexcept {
  for (std::string_view const scheme : {"mtls_pop", "bearer", "basic", "pop"}) {
    if (!StartsWithIgnoreCase(text, scheme)) {
      continue;
    }
    auto position = scheme.size();
    while (position < text.size() && IsSpace(text[position])) {
      ++position;
    }
    auto end = position;
    while (end < text.size() && (IsBase64Character(text[end]) || text[end] == '.' || text[end] == '~')) {
      ++end;
    }
    if (position > scheme.size() && end - position >= ShortestCredential) {
      return position;
    }
  }
  return 0;
}

bool IsSecretName(std::string_view name) noexcept {
  return std::any_of(SecretNames.begin(), SecretNames.end(), [name](std::string_view secret) {
    return EqualsIgnoreCase(name, secret);
  });
}

/// What stands before and around a secret value.
struct Introduction {
  /// Everything before the value, the opening quote included; 0 where there is no secret.
  std::size_t Length = 0;
  /// What ends the value: `"`, `'`, `\"`, or nothing where it is not quoted.
  std::string_view Quote;
  /// A header field, whose value goes on to the end of the line.
  bool WholeLine = false;
};

/// The quote at the beginning of `text`, as it is or escaped.
std::string_view QuoteAt(std::string_view text) noexcept {
  for (std::string_view const quote : {"\\\"", "\"", "'"}) {
    if (text.substr(0, quote.size()) == quote) {
      return quote;
    }
  }
  return {};
}

std::size_t SkipSpaces(std::string_view text, std::size_t position) noexcept {
  while (position < text.size() && IsSpace(text[position])) {
    ++position;
  }
  return position;
}

/// `name=value`, `"name":"value"`, `name: value`.
Introduction IntroductionAt(std::string_view text) noexcept {
  for (auto const name : SecretNames) {
    if (!StartsWithIgnoreCase(text, name)) {
      continue;
    }
    auto position = name.size();
    position = SkipSpaces(text, position + QuoteAt(text.substr(position)).size());
    if (position == text.size() || (text[position] != '=' && text[position] != ':')) {
      continue;
    }
    position = SkipSpaces(text, position + 1);
    auto const quote = QuoteAt(text.substr(position));
    return {position + quote.size(), quote, IsCredentialField(name) || name == "cookie" || name == "set-cookie"};
  }
  return {};
}

/// The length of a value up to the quote that ends it; a quote behind a backslash does not.
std::size_t QuotedLength(std::string_view text, std::string_view quote) noexcept {
  for (std::size_t position = 0; position < text.size(); ++position) {
    if (text.substr(position, quote.size()) == quote) {
      return position;
    }
    position += text[position] == '\\' ? 1 : 0;
  }
  return text.size();
}

std::size_t SecretValueLength(std::string_view text, Introduction const& introduction) noexcept {
  if (!introduction.Quote.empty()) {
    return QuotedLength(text, introduction.Quote);
  }
  auto const end = text.find_first_of(introduction.WholeLine ? "\r\n" : "&\",;}\\ \r\n\t");
  return std::min(end, text.size());
}

/// "://user:password@": the length of "user:password".
std::size_t UserInfoLength(std::string_view text) noexcept {
  auto const authority = text.substr(0, text.find_first_of("/?# \"\r\n\t"));
  auto const at = authority.rfind('@');
  return at == std::string_view::npos ? 0 : at;
}

/// Copies the letter at the beginning of `text`, in another form where a line of a log cannot hold it. Returns its length.
std::size_t AppendLetter(std::string_view text, std::string& out) {
  auto const byte = static_cast<unsigned char>(text.front());
  if (byte < 0x20 || byte == 0x7f) {
    char escaped[5];
    std::snprintf(escaped, sizeof escaped, "\\x%02X", byte);
    out += escaped;
    return 1;
  }
  auto const length = encoding::Utf8LetterLength(text);
  // Whoever reads lines of JSON refuses one that is no UTF-8.
  out += length == 0 ? encoding::ReplacementLetter : text.substr(0, length);
  return std::max<std::size_t>(length, 1);
}

void AppendText(std::string_view text, std::string& out) {
  while (!text.empty()) {
    text.remove_prefix(AppendLetter(text, out));
  }
}

/// Copies what introduces a secret and redacts the secret. Returns how many characters of `text` were dealt with.
std::size_t RedactIntroduced(std::string_view text, std::string& out) {
  auto introduction = IntroductionAt(text);
  if (introduction.Length == 0) {
    introduction.Length = SchemeLength(text);
  }
  std::size_t secret = 0;
  if (introduction.Length != 0) {
    secret = SecretValueLength(text.substr(introduction.Length), introduction);
  } else if (text.substr(0, 3) == "://") {
    introduction.Length = 3;
    secret = UserInfoLength(text.substr(3));
  }
  if (secret == 0) {
    return 0;
  }
  AppendText(text.substr(0, introduction.Length), out);
  out += Redacted;
  return introduction.Length + secret;
}

/// Whether a name may begin at `position`: also behind a character that JSON has written as `\u0026`, say.
bool IsWordStart(std::string_view text, std::size_t position) noexcept {
  constexpr std::size_t escaped = std::string_view{"\\u0026"}.size();
  return position == 0 || !IsWordCharacter(text[position - 1]) ||
         (position >= escaped && text.substr(position - escaped, 2) == "\\u");
}

}  // namespace

std::string Redact(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  std::size_t position = 0;
  // Inside a run that was found to be harmless, the run is not measured again at each of its characters.
  std::size_t harmlessUntil = 0;
  while (position < text.size()) {
    auto const rest = text.substr(position);
    bool const wordStart = IsWordStart(text, position);
    std::size_t used = PemLength(rest);
    if (used == 0 && wordStart) {
      used = JwtLength(rest);
    }
    if (used == 0 && position >= harmlessUntil && IsBase64Character(rest.front())) {
      used = OpaqueRunLengthAt(rest, position == 0 ? ' ' : text[position - 1]);
      if (used == 0) {
        harmlessUntil = position + 1;
        while (harmlessUntil < text.size() && IsBase64Character(text[harmlessUntil])) {
          ++harmlessUntil;
        }
      }
    }
    if (used != 0) {
      out += Redacted;
    } else if (wordStart || rest.front() == ':') {
      used = RedactIntroduced(rest, out);
    }
    if (used == 0) {
      used = AppendLetter(rest, out);
    }
    position += used;
  }
  return out;
}

std::string RedactField(std::string_view name, std::string_view value) {
  return IsSecretName(name) ? std::string{Redacted} : Redact(value);
}

}  // namespace mtlspop
