#include "options.hpp"

#include <openssl/ssl.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <string_view>
#include <tuple>

#include "encoding.hpp"
#include "socket.hpp"

namespace mtlspop_emulator {
namespace {

struct OptionRow {
  std::string_view Name;
  std::string_view Argument;  // Empty for a switch.
  std::string_view Help;
  std::function<void(Options&, std::string const&)> Apply;
};

template <typename Number>
Number ParseNumber(std::string_view text) {
  Number number{};
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw OptionError("not a number in range: " + std::string(text));
  }
  return number;
}

std::chrono::seconds ParseSeconds(std::string_view text) {
  std::int64_t scale = 1;
  if (!text.empty()) {
    switch (text.back()) {
      case 'd':
        scale = 86400;
        break;
      case 'h':
        scale = 3600;
        break;
      case 'm':
        scale = 60;
        break;
      case 's':
        break;
      default:
        return std::chrono::seconds(ParseNumber<std::uint32_t>(text));
    }
    text.remove_suffix(1);
  }
  return std::chrono::seconds(ParseNumber<std::uint32_t>(text) * scale);
}

bool ParseBool(std::string const& text) {
  if (text == "true" || text == "1") {
    return true;
  }
  if (text == "false" || text == "0") {
    return false;
  }
  throw OptionError("neither true nor false: " + text);
}

template <typename Value>
Value ParseChoice(std::string const& text, std::initializer_list<std::pair<std::string_view, Value>> choices) {
  std::string known;
  for (auto const& [name, value] : choices) {
    if (text == name) {
      return value;
    }
    known += known.empty() ? std::string(name) : ", " + std::string(name);
  }
  throw OptionError("'" + text + "' is none of " + known);
}

int ParseTls(std::string const& text) {
  return ParseChoice<int>(text, {{"1.2", TLS1_2_VERSION}, {"1.3", TLS1_3_VERSION}});
}

Throttle ParseThrottle(std::string const& text) {
  auto const slash = text.find('/');
  if (slash == std::string::npos) {
    throw OptionError("expected N/SECONDS: " + text);
  }
  return {ParseNumber<unsigned>(text.substr(0, slash)), ParseSeconds(text.substr(slash + 1))};
}

// Anything else would put a service that hands out credentials on a network.
std::string ParseLoopback(std::string const& text) {
  if (IsLoopback(text)) {
    return text;
  }
  throw OptionError("only loopback addresses (127.0.0.0/8, ::1) are allowed: " + text);
}

void AddSecret(Options& options, std::string const& text) {
  auto const equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw OptionError("expected NAME=VALUE: " + text);
  }
  options.Secrets[text.substr(0, equals)] = text.substr(equals + 1);
}

std::vector<OptionRow> ServerRows() {
  return {
      {"--bind", "ADDRESS", "loopback address to listen on (127.0.0.1)",
       [](Options& o, auto const& v) { o.Bind = ParseLoopback(v); }},
      {"--imds-port", "PORT", "0, the default of every port, means any free one",
       [](Options& o, auto const& v) { o.ImdsPort = ParseNumber<std::uint16_t>(v); }},
      {"--sts-port", "PORT", "the token service's port",
       [](Options& o, auto const& v) { o.StsPort = ParseNumber<std::uint16_t>(v); }},
      {"--vault-port", "PORT", "the port of Key Vault and blob storage",
       [](Options& o, auto const& v) { o.VaultPort = ParseNumber<std::uint16_t>(v); }},
      {"--attestation-port", "PORT", "the attestation service's port",
       [](Options& o, auto const& v) { o.AttestationPort = ParseNumber<std::uint16_t>(v); }},
      {"--client-certificate", "MODE",
       "how Key Vault asks: renegotiate (default, TLS 1.2), post-handshake (TLS 1.3), handshake",
       [](Options& o, auto const& v) {
         o.ClientCertificate = ParseChoice<CertificateRequestMode>(
             v, {{"renegotiate", CertificateRequestMode::Renegotiate},
                 {"post-handshake", CertificateRequestMode::PostHandshake},
                 {"handshake", CertificateRequestMode::Handshake}});
       }},
      {"--certificate-wait", "SECONDS", "how long Key Vault waits for a certificate it asked for (30)",
       [](Options& o, auto const& v) { o.CertificateWait = ParseSeconds(v); }},
      {"--sts-tls13", "asks|never-asks",
       "whether the token service asks for a certificate under TLS 1.3 (never-asks, as the real one)",
       [](Options& o, auto const& v) {
         o.StsTls13 = ParseChoice<TokenServiceTls13>(
             v, {{"asks", TokenServiceTls13::Asks}, {"never-asks", TokenServiceTls13::NeverAsks}});
       }},
      {"--min-tls", "1.2|1.3", "lowest TLS version (1.2)",
       [](Options& o, auto const& v) { o.MinimumTls = ParseTls(v); }},
      {"--server-tls-max", "1.2|1.3", "highest TLS version (1.3)",
       [](Options& o, auto const& v) { o.MaximumTls = ParseTls(v); }},
      {"--max-connections", "N", "connections served at once; more wait (4096)",
       [](Options& o, auto const& v) { o.MaximumConnections = ParseNumber<std::uint32_t>(v); }},
      {"--body-limit", "BYTES", "largest request body (1 GiB)",
       [](Options& o, auto const& v) { o.BodyLimit = ParseNumber<std::uint64_t>(v); }},
  };
}

std::vector<OptionRow> LifetimeRows() {
  return {
      {"--certificate-lifetime", "SECONDS", "life of issued certificates from now on (8h; also 30m, 8s)",
       [](Options& o, auto const& v) { o.CertificateLifetime = ParseSeconds(v); }},
      {"--certificate-backdate", "SECONDS",
       "how far notBefore lies in the past (5m where the lifetime is an hour or more, else 0)",
       [](Options& o, auto const& v) { o.CertificateBackdate = ParseSeconds(v); }},
      {"--vault-refuses-expired-certificates", "BOOL", "Key Vault checks the certificate's validity too (true)",
       [](Options& o, auto const& v) { o.VaultRefusesExpiredCertificates = ParseBool(v); }},
      {"--token-lifetime", "SECONDS", "life of tokens (24h)",
       [](Options& o, auto const& v) { o.TokenLifetime = ParseSeconds(v); }},
      {"--token-refresh-in", "SECONDS", "refresh_in of the token answer (left out)",
       [](Options& o, auto const& v) { o.TokenRefreshIn = ParseSeconds(v); }},
      {"--attestation-lifetime", "SECONDS", "life of attestation tokens (8h)",
       [](Options& o, auto const& v) { o.AttestationLifetime = ParseSeconds(v); }},
  };
}

std::vector<OptionRow> BehaviourRows() {
  return {
      {"--imds", "v1|v2", "v1: the IMDS v2 endpoints answer 404 (v2)",
       [](Options& o, auto const& v) {
         o.ImdsV2 = ParseChoice<bool>(v, {{"v1", false}, {"v2", true}});
       }},
      {"--strict", "net", "IMDS takes certificate requests only in .NET's form (in Java's too)",
       [](Options& o, auto const& v) {
         o.OnlyNetRequests = ParseChoice<bool>(v, {{"net", true}});
       }},
      {"--resource-id-name", "NAME",
       "how IMDS v2 calls a resource id: mi_res_id (default) or msi_res_id; v1: msi_res_id",
       [](Options& o, auto const& v) {
         o.ResourceIdName =
             std::string(ParseChoice<std::string_view>(v, {{"mi_res_id", "mi_res_id"}, {"msi_res_id", "msi_res_id"}}));
       }},
      {"--region", "NAME", "location that IMDS says the machine is at (westeurope)",
       [](Options& o, auto const& v) { o.Region = v; }},
      {"--throttle", "N/SECONDS", "IMDS answers 429 beyond N requests in any SECONDS; refused ones count",
       [](Options& o, auto const& v) { o.ImdsThrottle = ParseThrottle(v); }},
      {"--cu-id", "both|vmId|vmssId", "members of the machine's cuId (both)",
       [](Options& o, auto const& v) {
         o.CuId =
             std::string(ParseChoice<std::string_view>(v, {{"both", "both"}, {"vmId", "vmId"}, {"vmssId", "vmssId"}}));
       }},
      {"--require-attestation", "", "IMDS issues only with a valid attestation token",
       [](Options& o, auto const&) { o.RequireAttestation = true; }},
      {"--accept", "STRENGTH",
       "weakest key that IMDS issues for: software (default, no attestation), hardware, keyguard (today's service)",
       [](Options& o, auto const& v) {
         o.Accept = ParseChoice<KeyStrength>(
             v, {{"software", KeyStrength::Software},
                 {"hardware", KeyStrength::Hardware},
                 {"keyguard", KeyStrength::KeyGuard}});
       }},
      {"--identities", "FILE", "JSON array of identities instead of the default set",
       [](Options& o, auto const& v) { o.IdentitiesFile = v; }},
      {"--user-assigned-count", "N", "user-assigned identities of the default set (3)",
       [](Options& o, auto const& v) { o.UserAssignedCount = ParseNumber<std::uint32_t>(v); }},
      {"--app", "FILE", "JSON array of registered apps; see POST /emulator/apps",
       [](Options& o, auto const& v) { o.AppsFile = v; }},
      {"--secret", "NAME=VALUE", "a secret of the vault, repeatable (boundsecret and password, random)", AddSecret},
      {"--allow-bearer", "BOOL", "resources accept plain bearer tokens, never bound ones, as bearer (true)",
       [](Options& o, auto const& v) { o.AllowBearer = ParseBool(v); }},
      {"--bearer-only-resource", "URI", "resource that answers AADSTS392196 to mtls_pop, repeatable",
       [](Options& o, auto const& v) { o.BearerOnlyResources.push_back(v); }},
      {"--sts-endpoint-name", "NAME", "issuecredential names https://NAME as token endpoint (https://ADDRESS:PORT)",
       [](Options& o, auto const& v) { o.StsEndpointName = o.StsHost = v; }},
      {"--vault-host", "NAME", "vault_host of the startup line (contoso.vault.azure.net)",
       [](Options& o, auto const& v) { o.VaultHost = v; }},
      {"--record-secrets", "", "keep every token and certificate request for GET /emulator/wire-secrets",
       [](Options& o, auto const&) { o.RecordSecrets = true; }},
      {"--log-limit", "N", "entries kept by GET /emulator/log (1000000)",
       [](Options& o, auto const& v) { o.LogLimit = ParseNumber<std::uint32_t>(v); }},
      {"--exit-with-stdin", "", "exit when standard input closes",
       [](Options& o, auto const&) { o.ExitWithStdin = true; }},
      {"--print-env", "", "print lines for a shell, export NAME='value', in place of the JSON line",
       [](Options& o, auto const&) { o.PrintEnvironment = true; }},
      {"--quiet", "", "with run: do not say on standard error where the page is",
       [](Options& o, auto const&) { o.Quiet = true; }},
      {"--keep-serving", "", "with run: stay when the program has ended, until SIGTERM or SIGINT",
       [](Options& o, auto const&) { o.KeepServing = true; }},
      {"--help", "", "print this", [](Options& o, auto const&) { o.ShowHelp = true; }},
  };
}

std::vector<OptionRow> AllRows() {
  auto rows = ServerRows();
  for (auto const& more : {LifetimeRows(), BehaviourRows()}) {
    rows.insert(rows.end(), more.begin(), more.end());
  }
  return rows;
}

OptionRow const& FindRow(std::vector<OptionRow> const& rows, std::string const& name) {
  for (auto const& row : rows) {
    if (row.Name == name) {
      return row;
    }
  }
  throw OptionError("unknown option " + name + "; --help lists all");
}

// The value of the option at `position`, which moves on to it where it is an argument of its own.
std::string ValueOf(OptionRow const& row, std::vector<std::string> const& arguments, std::size_t& position) {
  auto const& argument = arguments[position];
  auto const equals = argument.find('=');
  auto const name = std::string(row.Name);
  if (row.Argument.empty()) {
    if (equals != std::string::npos) {
      throw OptionError(name + " takes no value");
    }
    return {};
  }
  if (equals != std::string::npos) {
    return argument.substr(equals + 1);
  }
  if (position + 1 == arguments.size()) {
    throw OptionError(name + " needs a value: " + std::string(row.Argument));
  }
  return arguments[++position];
}

// Takes `run` and everything from "--" on away from the arguments, and returns the program.
std::vector<std::string> TakeProgram(std::vector<std::string>& arguments) {
  if (arguments.empty() || arguments.front() != "run") {
    return {};
  }
  auto const end = std::find(arguments.begin(), arguments.end(), "--");
  bool const help = std::find(arguments.begin(), end, "--help") != end;
  if (!help && (end == arguments.end() || end + 1 == arguments.end())) {
    throw OptionError("run needs a program: mtlspop-emulator run [options] -- PROGRAM [ARGUMENTS]");
  }
  std::vector<std::string> program(end == arguments.end() ? end : end + 1, arguments.end());
  arguments = std::vector<std::string>(arguments.begin() + 1, end);
  return program;
}

void CheckTogether(Options const& options) {
  bool const runs = !options.Program.empty();
  if (runs && options.ExitWithStdin) {
    throw OptionError("--exit-with-stdin: not with run, whose program has the standard input");
  }
  if (runs && options.PrintEnvironment) {
    throw OptionError("--print-env: not with run, whose program has the standard output");
  }
  if (!runs && !options.ShowHelp && (options.Quiet || options.KeepServing)) {
    throw OptionError("--quiet, --keep-serving: only with run");
  }
}

}  // namespace

Options ParseOptions(std::vector<std::string> const& given) {
  auto const rows = AllRows();
  auto arguments = given;
  Options options;
  options.MinimumTls = TLS1_2_VERSION;
  options.MaximumTls = TLS1_3_VERSION;
  options.Program = TakeProgram(arguments);
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    auto const name = arguments[i].substr(0, arguments[i].find('='));
    auto const& row = FindRow(rows, name);
    auto const value = ValueOf(row, arguments, i);
    try {
      row.Apply(options, value);
    } catch (OptionError const& error) {
      throw OptionError(name + ": " + error.what());
    }
  }
  CheckTogether(options);
  return options;
}

std::string HelpText() {
  std::string text =
      "mtlspop-emulator: IMDS, the mutual-TLS token service, attestation, Key Vault and blob storage on loopback.\n"
      "\n"
      "  mtlspop-emulator [options]                  prints its endpoints as one JSON line, serves until SIGTERM or "
      "SIGINT\n"
      "  mtlspop-emulator run [options] -- PROGRAM   runs the program in an environment that leads it here\n"
      "\n";
  for (auto const& row : AllRows()) {
    std::string head = "  " + std::string(row.Name) + " " + std::string(row.Argument);
    head.resize(std::max<std::size_t>(head.size() + 1, 40), ' ');
    text += head + std::string(row.Help) + "\n";
  }
  return text;
}

}  // namespace mtlspop_emulator
