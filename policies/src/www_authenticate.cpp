#include "mtlspop/policies/www_authenticate.hpp"

#include <algorithm>
#include <optional>

#include "mtlspop/transport/headers.hpp"

namespace mtlspop {
namespace {

constexpr std::size_t MaximumChallenges = 32;
constexpr std::size_t MaximumParameters = 64;

bool IsAlphanumeric(char c) noexcept {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

// tchar of RFC 9110 section 5.6.2.
bool IsTokenCharacter(char c) noexcept {
  return IsAlphanumeric(c) || (c != '\0' && std::string_view{"!#$%&'*+-.^_`|~"}.find(c) != std::string_view::npos);
}

// RFC 9110 section 11.2.
bool IsToken68Character(char c) noexcept {
  return IsAlphanumeric(c) || (c != '\0' && std::string_view{"-._~+/"}.find(c) != std::string_view::npos);
}

bool IsSpace(char c) noexcept { return c == ' ' || c == '\t'; }

class Reader {
 public:
  explicit Reader(std::string_view text) noexcept : text_(text) {}

  std::vector<AuthenticationChallenge> Read() {
    std::vector<AuthenticationChallenge> challenges;
    SkipSeparators();
    while (!AtEnd()) {
      if (auto parameter = ReadParameter()) {
        // A parameter before any scheme, or behind a token68, which stands alone, belongs to nothing.
        if (challenges.empty() || !challenges.back().Token68.empty()) break;
        if (challenges.back().Parameters.size() >= MaximumParameters) break;
        challenges.back().Parameters.push_back(std::move(*parameter));
      } else if (auto challenge = ReadScheme()) {
        if (challenges.size() >= MaximumChallenges) break;
        challenges.push_back(std::move(*challenge));
      } else {
        break;
      }
      SkipSeparators();
    }
    return challenges;
  }

 private:
  bool AtEnd() const noexcept { return position_ >= text_.size(); }
  bool At(char c) const noexcept { return !AtEnd() && text_[position_] == c; }

  template <typename Predicate>
  std::string_view TakeWhile(Predicate matches) noexcept {
    auto const begin = position_;
    while (!AtEnd() && matches(text_[position_])) ++position_;
    return text_.substr(begin, position_ - begin);
  }

  void SkipSeparators() noexcept {
    TakeWhile([](char c) { return IsSpace(c) || c == ','; });
  }

  // Nothing, and no step forward, where there is no `name = value` here.
  std::optional<std::pair<std::string, std::string>> ReadParameter() {
    auto const begin = position_;
    auto const name = TakeWhile(IsTokenCharacter);
    TakeWhile(IsSpace);
    if (name.empty() || !At('=')) {
      position_ = begin;
      return std::nullopt;
    }
    ++position_;
    TakeWhile(IsSpace);
    auto value = At('"') ? ReadQuoted() : ReadUnquoted();
    if (!value) {
      position_ = text_.size();
      return std::nullopt;
    }
    return std::pair{std::string{name}, std::move(*value)};
  }

  // quoted-string of RFC 9110 section 5.6.4; nothing where it does not end.
  std::optional<std::string> ReadQuoted() {
    std::string value;
    for (++position_; !AtEnd(); ++position_) {
      auto c = text_[position_];
      if (c == '"') {
        ++position_;
        return value;
      }
      if (c == '\\') {
        if (++position_ >= text_.size()) break;
        c = text_[position_];
      }
      value.push_back(c);
    }
    return std::nullopt;
  }

  std::optional<std::string> ReadUnquoted() {
    return std::string{TakeWhile([](char c) { return !IsSpace(c) && c != ',' && c != '"'; })};
  }

  std::optional<AuthenticationChallenge> ReadScheme() {
    auto const scheme = TakeWhile(IsTokenCharacter);
    if (scheme.empty() || !(AtEnd() || IsSpace(text_[position_]) || At(','))) return std::nullopt;
    AuthenticationChallenge challenge;
    challenge.Scheme = scheme;
    if (!AtEnd() && IsSpace(text_[position_])) {
      TakeWhile(IsSpace);
      challenge.Token68 = ReadToken68();
    }
    return challenge;
  }

  // "", and no step forward, where what stands here is not a token68 alone.
  std::string ReadToken68() {
    auto const begin = position_;
    auto const text = TakeWhile(IsToken68Character);
    if (!text.empty()) {
      TakeWhile([](char c) { return c == '='; });
      auto const end = position_;
      TakeWhile(IsSpace);
      if (AtEnd() || At(',')) return std::string{text_.substr(begin, end - begin)};
    }
    position_ = begin;
    return {};
  }

  std::string_view text_;
  std::size_t position_ = 0;
};

}  // namespace

std::string const* AuthenticationChallenge::Find(std::string_view name) const noexcept {
  auto const found = std::find_if(Parameters.begin(), Parameters.end(), [name](auto const& parameter) {
    return EqualsIgnoreCase(parameter.first, name);
  });
  return found == Parameters.end() ? nullptr : &found->second;
}

std::vector<AuthenticationChallenge> ParseWwwAuthenticate(std::string_view value) { return Reader{value}.Read(); }

}  // namespace mtlspop
