#include <CLI/CLI.hpp>

#include <ostream>

#include <nlohmann/json.hpp>

#include "claims.hpp"
#include "errors.hpp"
#include "mtlspop/policies/errors.hpp"
#include "resource_options.hpp"
#include "subcommand.hpp"
#include "text.hpp"

namespace mtlspop::command {
namespace {

using nlohmann::ordered_json;

struct TokenOptions {
  std::string Url;
  ResourceOptions Resource;
  bool AsJson = false;
  bool Reveals = false;
  double MaxTimeSeconds = 60;
};

TokenRequest RequestOf(TokenOptions const& options) {
  TokenRequest request;
  request.Scopes =
      options.Url.empty() ? ScopesOf(options.Resource) : ScopesFor(options.Resource, ParseUrl(options.Url));
  if (request.Scopes.empty()) {
    Fail(
        errors::ScopesUnknown,
        options.Url.empty() ? "What the token is for is not said"
                            : "What tokens " + options.Url + " takes is not known here",
        "Give --resource or --scope, for example --resource https://vault.azure.net");
  }
  return request;
}

ordered_json Describe(AccessToken const& token) {
  ordered_json text{
      {"token_type", ToString(token.Type)},
      {"expires_on", FormatTime(token.ExpiresOn)},
      {"refresh_on", FormatTime(token.RefreshOn)}};
  if (token.Binding) {
    text["binding"] = {
        {"x5t#S256", token.Binding->X5tS256()},
        {"subject", token.Binding->Subject()},
        {"not_before", FormatTime(token.Binding->NotBefore())},
        {"not_after", FormatTime(token.Binding->NotAfter())},
        {"strength", ToString(token.Strength())},
        {"attested", token.Attested}};
  }
  auto const claims = ReadClaims(token.Token.Reveal());
  text["claims"] = claims ? *claims : ordered_json(nullptr);
  return text;
}

void Print(ordered_json const& object, std::string const& indent, std::ostream& out) {
  for (auto const& [name, value] : object.items()) {
    if (value.is_object()) {
      out << indent << name << ":\n";
      Print(value, indent + "  ", out);
    } else {
      // As JSON, since a text can hold anything that a terminal would obey.
      auto const text = value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
      out << indent << name << ": " << (value.is_string() ? text.substr(1, text.size() - 2) : text) << '\n';
    }
  }
}

int Run(TokenOptions const& options, SharedOptions const& shared, Terminal& terminal) {
  auto const request = RequestOf(options);
  auto const credential = MakeCredential(shared.Identity, MakeSurroundings(shared.Connection));
  auto const token = credential->GetToken(request, WithMaxTime(options.MaxTimeSeconds));
  if (options.Reveals && !options.AsJson) {
    terminal.Out << token.Token.Reveal() << '\n';
    return 0;
  }
  auto text = Describe(token);
  if (options.Reveals) text["access_token"] = token.Token.Reveal();
  if (options.AsJson) {
    terminal.Out << text.dump(2, ' ', false, ordered_json::error_handler_t::replace) << '\n';
  } else {
    Print(text, "", terminal.Out);
  }
  return 0;
}

}  // namespace

Subcommand AddTokenCommand(CLI::App& root) {
  auto const options = std::make_shared<TokenOptions>();
  auto* const app = root.add_subcommand("token", "Get a token and show what it says, but not the token itself");
  app->add_option("url", options->Url, "What is to be called with it; or give --resource or --scope");
  AddResourceOptions(*app, options->Resource);
  app->add_flag("--json", options->AsJson, "Show it as JSON");
  app->add_flag("--reveal", options->Reveals, "Show the token itself, which is a secret");
  AddMaxTime(*app, options->MaxTimeSeconds);
  return {app, [options](SharedOptions const& shared, Terminal& terminal) { return Run(*options, shared, terminal); }};
}

}  // namespace mtlspop::command
