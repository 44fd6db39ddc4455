#include "emulator.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "application_environment.hpp"
#include "attestation_service.hpp"
#include "connection.hpp"
#include "connection_registry.hpp"
#include "control_service.hpp"
#include "digest.hpp"
#include "emulated_hosts.hpp"
#include "faults.hpp"
#include "imds_service.hpp"
#include "key_vault_service.hpp"
#include "listener.hpp"
#include "storage_service.hpp"
#include "system.hpp"
#include "tls_context.hpp"
#include "token_service.hpp"
#include "wire_log.hpp"

namespace mtlspop_emulator {
namespace {

using nlohmann::json;

// A folder of our own for the CA file, removed at the end.
class TemporaryFolder {
 public:
  TemporaryFolder() = default;
  TemporaryFolder(TemporaryFolder const&) = delete;
  TemporaryFolder& operator=(TemporaryFolder const&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(_path, ignored);
  }

  std::string Write(std::string const& name, std::string const& content) const {
    auto const path = _path / name;
    std::ofstream(path, std::ios::binary) << content;
    return path.u8string();
  }

 private:
  std::filesystem::path const _path = MakeTemporaryFolder();
};

// With the names that the documentation's examples ask for.
Options WithDefaultSecrets(Options options) {
  if (options.Secrets.empty()) {
    for (char const* const name : {"boundsecret", "password"}) {
      options.Secrets[name] = "bound-" + HexEncode(RandomBytes(8));
    }
  }
  return options;
}

}  // namespace

struct Emulator::Parts {
  explicit Parts(Options options);
  ~Parts();

  std::string Authority(Listener const& listener) const;
  json ConnectOverrides() const;
  std::string MakeStartupLine() const;

  World Everything;
  TemporaryFolder Folder;
  std::string CaFile;
  WireLog Log;
  Faults Armed;
  ConnectionRegistry Connections;
  ImdsService Imds;
  ControlService Control;
  Front ImdsFront;
  TokenService Sts;
  KeyVaultService Vault;
  StorageService Storage;
  Front VaultFront;
  AttestationService Attestation;
  ClientCertificateGate Gate;
  SslContextPtr StsTls;
  SslContextPtr VaultTls;
  SslContextPtr AttestationTls;
  Common Shared;
  Listener ImdsListener;
  Listener StsListener;
  Listener VaultListener;
  Listener AttestationListener;
  std::string Line;
  Variables ForApplications;
};

Emulator::Parts::Parts(Options options)
    : Everything(WithDefaultSecrets(std::move(options))),
      CaFile(Folder.Write("ca.pem", Everything.Authority.RootPem())),
      Log(Everything.Settings.LogLimit),
      Connections(Everything.Settings.MaximumConnections),
      Imds(Everything),
      Control(Everything, Log, Armed, Connections),
      ImdsFront(ControlService::IsFor, Control, Imds),
      Sts(Everything),
      Vault(Everything),
      Storage(Everything),
      VaultFront(StorageService::IsFor, Storage, Vault),
      Attestation(Everything),
      Gate(Everything.Authority, Everything.People),
      StsTls(MakeTokenServiceContext(Everything.Settings, Everything.Authority, Gate)),
      VaultTls(MakeVaultContext(Everything.Settings, Everything.Authority)),
      AttestationTls(MakeAttestationContext(Everything.Settings, Everything.Authority)),
      Shared{Everything.Settings, Log, Everything.Counters, Armed, Connections},
      ImdsListener(Everything.Settings.Bind, Everything.Settings.ImdsPort, {"imds", ImdsFront, nullptr}, Shared),
      StsListener(Everything.Settings.Bind, Everything.Settings.StsPort, {"sts", Sts, StsTls.get()}, Shared),
      VaultListener(
          Everything.Settings.Bind, Everything.Settings.VaultPort, {"vault", VaultFront, VaultTls.get()}, Shared),
      AttestationListener(
          Everything.Settings.Bind,
          Everything.Settings.AttestationPort,
          {"attestation", Attestation, AttestationTls.get()},
          Shared) {
  Everything.Urls = {
      "http://" + Authority(ImdsListener), "https://" + Authority(StsListener), "https://" + Authority(VaultListener),
      "https://" + Authority(AttestationListener)};
  // So that the first token takes no longer than the others.
  Everything.StsKey.WaitUntilMade();
  Line = MakeStartupLine();
  ForApplications = ApplicationEnvironment(Everything.Urls.Imds, CaFile, ConnectOverrides());
  Control.Begin(Authority(ImdsListener), Line);
  for (auto* const listener : {&ImdsListener, &StsListener, &VaultListener, &AttestationListener}) {
    listener->Start();
  }
}

Emulator::Parts::~Parts() {
  Armed.Stop();
  for (auto* const listener : {&ImdsListener, &StsListener, &VaultListener, &AttestationListener}) {
    listener->Stop();
  }
  Connections.Shutdown();
}

std::string Emulator::Parts::Authority(Listener const& listener) const {
  auto const& address = Everything.Settings.Bind;
  bool const v6 = address.find(':') != std::string::npos;
  return (v6 ? "[" + address + "]" : address) + ":" + std::to_string(listener.Port());
}

json Emulator::Parts::ConnectOverrides() const {
  auto const& settings = Everything.Settings;
  json overrides = {
      {settings.StsHost + ":443", Authority(StsListener)},
      {settings.VaultHost + ":443", Authority(VaultListener)},
      {settings.BlobHost + ":443", Authority(VaultListener)}};
  for (auto const& host : EmulatedHosts) {
    auto const& listener = host.Listener == "sts"     ? StsListener
                           : host.Listener == "vault" ? VaultListener
                                                      : AttestationListener;
    overrides.emplace(std::string(host.Name) + ":443", Authority(listener));
  }
  return overrides;
}

std::string Emulator::Parts::MakeStartupLine() const {
  auto const& settings = Everything.Settings;
  json identities = json::array();
  for (auto const& identity : Everything.People.Identities()) {
    identities.push_back(ToJson(identity));
  }
  json secrets = json::array();
  for (auto const& [name, value] : settings.Secrets) {
    secrets.push_back(name);
  }
  return JsonText(
      {{"imds", Everything.Urls.Imds},
       {"sts", Everything.Urls.Sts},
       {"vault", Everything.Urls.Vault},
       {"attestation", Everything.Urls.Attestation},
       {"control", Everything.Urls.Imds},
       {"ca_file", CaFile},
       {"sts_host", settings.StsHost},
       {"vault_host", settings.VaultHost},
       {"blob_host", settings.BlobHost},
       {"connect", ConnectOverrides()},
       {"identities", identities},
       {"secrets", secrets},
       {"pid", ProcessId()}});
}

Emulator::Emulator(Options options) : _parts(std::make_unique<Parts>(std::move(options))) {}

Emulator::~Emulator() = default;

std::string const& Emulator::StartupLine() const { return _parts->Line; }

std::string const& Emulator::ControlUrl() const { return _parts->Everything.Urls.Imds; }

Variables const& Emulator::Environment() const { return _parts->ForApplications; }

}  // namespace mtlspop_emulator
