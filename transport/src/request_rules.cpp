#include "request_rules.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "credential_fields.hpp"
#include "mtlspop/base/field_text.hpp"
#include "mtlspop/base/saturated_time.hpp"
#include "mtlspop/transport/required.hpp"

namespace mtlspop {
namespace {

constexpr std::size_t LargestLimit = std::size_t{1} << 30;

[[noreturn]] void Refuse(ErrorCode code, std::string what, std::string action) {
  ErrorDetails details{code, std::move(what), std::move(action)};
  details.NothingSent = true;
  throw Error{std::move(details)};
}

[[noreturn]] void Refuse(std::string what, std::string action) {
  Refuse(errors::InvalidArgument, std::move(what), std::move(action));
}

/// RFC 9110 section 5.6.2. A table, since each field of each request is looked at.
constexpr std::array<bool, 256> TokenCharacters = [] {
  std::array<bool, 256> isOne{};
  for (auto const part :
       {std::string_view{"abcdefghijklmnopqrstuvwxyz"}, std::string_view{"ABCDEFGHIJKLMNOPQRSTUVWXYZ"},
        std::string_view{"0123456789!#$%&'*+-.^_`|~"}}) {
    for (char const character : part) isOne[static_cast<unsigned char>(character)] = true;
  }
  return isOne;
}();

bool IsToken(std::string_view text) noexcept {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char character) {
    return TokenCharacters[static_cast<unsigned char>(character)];
  });
}

/// Fields that decide about framing and connections: the transport writes them, or two parties could read one message
/// in two ways.
constexpr std::array<std::string_view, 6> OwnFields{"content-length", "transfer-encoding", "connection",
                                                    "expect",         "upgrade",           "te"};

/// What a request holds of tokens.
struct Tokens {
  /// A token of any kind, or credentials of another scheme, which are no less worth stealing.
  bool Any = false;
  /// One that is bound to a certificate.
  bool Bound = false;
};

constexpr bool IsBlank(char character) noexcept { return character == ' ' || character == '\t'; }

/// Whether `value` names the scheme of bound tokens, alone or in a list (RFC 9110 sections 5.6.1 and 11.6.2).
bool NamesBoundScheme(std::string_view value) noexcept {
  constexpr std::string_view scheme = "mtls_pop";
  for (;;) {
    value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
    auto const behind = value.substr(std::min(scheme.size(), value.size()), 1);
    bool const ends = behind.empty() || IsBlank(behind.front()) || behind.front() == ',';
    if (ends && EqualsIgnoreCase(value.substr(0, scheme.size()), scheme)) {
      return true;
    }
    auto const comma = value.find(',');
    if (comma == std::string_view::npos) {
      return false;
    }
    value.remove_prefix(comma + 1);
  }
}

/// RFC 6750 section 2.3.
bool HoldsTokenInQuery(Url const& target) noexcept {
  constexpr std::string_view name = "access_token=";
  auto const query = target.Query();
  for (auto at = query.find(name); at != std::string_view::npos; at = query.find(name, at + 1)) {
    if (at == 0 || query[at - 1] == '&') {
      return true;
    }
  }
  return false;
}

Tokens TokensIn(Request const& request) noexcept {
  Tokens tokens;
  for (auto const& [name, value] : request.Fields) {
    if (IsCredentialField(name)) {
      tokens.Any = true;
      tokens.Bound = tokens.Bound || NamesBoundScheme(value);
    } else if (EqualsIgnoreCase(name, "x-ms-tokenboundauth")) {
      tokens.Any = tokens.Bound = true;
    }
  }
  tokens.Any = tokens.Any || HoldsTokenInQuery(request.Target);
  return tokens;
}

void CheckField(std::string const& name, std::string const& value) {
  if (!IsToken(name)) {
    Refuse("A header field has a name that is not a token (RFC 9110 section 5.1)", "Correct the name");
  }
  if (!IsFieldText(value)) {
    Refuse(
        "The value of the header field " + name + " holds a line break or another control character",
        "Remove it; if the value came from outside, somebody may be trying to smuggle in a header");
  }
  for (auto const own : OwnFields) {
    if (EqualsIgnoreCase(name, own)) {
      Refuse(
          "The header field " + name + " is set by the transport itself",
          "Leave it out; use Request::Body for a body and Request::ExpectContinue for Expect");
    }
  }
}

/// Whether a Host field names what `target` names.
bool IsHostOf(std::string const& field, Url const& target) {
  try {
    return Url::Parse(target.GetOrigin().Scheme + "://" + field).GetOrigin() == target.GetOrigin() &&
           field.find_first_of("/?#") == std::string::npos;
  } catch (Error const&) {
    return false;
  }
}

/// A token is for the host that the URL names: its certificate is looked at, and whoever serves several hosts behind
/// one certificate chooses by this field.
void CheckHost(Request const& request, bool holdsSecrets) {
  auto const* const host = request.Fields.Find("host");
  if (host == nullptr) {
    return;
  }
  if (request.Fields.GetAll("host").size() > 1) {
    Refuse("The request has more than one Host field", "Set it once, or not at all (RFC 9112 section 3.2)");
  }
  if (holdsSecrets && *host != request.Target.HostHeader() && !IsHostOf(*host, request.Target)) {
    Refuse(
        "The Host field of a request with a token or a binding certificate names another host than its URL, " +
            request.Target.GetOrigin().ToString(),
        "Leave the field out, or use the URL of the host that the token is meant for");
  }
}

void CheckTokens(Tokens const& tokens, bool isBound, Url const& target) {
  if (isBound && !target.IsHttps()) {
    Refuse(
        errors::BindingRequiresHttps,
        "A request with a binding certificate was to go to " + target.GetOrigin().ToString() + ", which is not https",
        "Use the https URL of the resource; a bound token has no meaning without TLS");
  }
  if (tokens.Any && !target.IsHttps()) {
    Refuse(
        errors::AuthorizationRequiresHttps,
        "A token was to go to " + target.GetOrigin().ToString() + ", which is not https",
        "Use an https URL: a token sent in the clear is open to everybody on the way");
  }
  if (tokens.Bound && !isBound) {
    Refuse(
        errors::BoundTokenWithoutBinding,
        "The request to " + target.Host() + " carries a bound token without the certificate that it is bound to",
        "Pass the token's binding to HttpTransport::Send; token and certificate come, and go, together");
  }
}

}  // namespace

void CheckRequest(Request const& request, bool isBound) {
  if (!IsToken(request.Method) || std::string_view{request.Method} == "CONNECT") {
    Refuse(
        "The method of the request is not one that can be sent", "Use a method such as GET or POST, in letters only");
  }
  for (auto const& [name, value] : request.Fields) {
    CheckField(name, value);
  }
  auto const tokens = TokensIn(request);
  CheckHost(request, tokens.Any || isBound);
  CheckTokens(tokens, isBound, request.Target);
}

TransportOptions CheckedOptions(TransportOptions options) {
  Required(options.Time, "TransportOptions::Time");
  if (!options.Callbacks) {
    Refuse("TransportOptions::Callbacks is empty", "Give an executor, or leave the default as it is");
  }
  if (options.Pool.MaximumPerOrigin == 0 || options.Pool.MaximumTotal == 0) {
    Refuse("PoolOptions allows no connection", "Set MaximumPerOrigin and MaximumTotal to 1 or more");
  }
  if (options.ConnectTimeout.count() <= 0) {
    Refuse("TransportOptions::ConnectTimeout is not a time", "Set it to more than 0 ms");
  }
  auto& limits = options.Limits;
  if (limits.HeaderBytes == 0 || limits.HeaderCount == 0 || limits.LineBytes == 0) {
    Refuse("TransportLimits allows no answer", "Set HeaderBytes, HeaderCount and LineBytes to 1 or more");
  }
  // "No limit" as the largest number there is must not overflow where something is added to it.
  for (auto* const limit : {&limits.HeaderBytes, &limits.HeaderCount, &limits.LineBytes, &limits.ChunkExtensionBytes}) {
    *limit = std::min(*limit, LargestLimit);
  }
  for (auto* const time : {&options.ConnectTimeout, &options.ContinueTimeout, &options.Pool.IdleTimeout}) {
    *time = AtMostTenYears(*time);
  }
  return options;
}

}  // namespace mtlspop
