#include "software_token.hpp"

#include <dlfcn.h>

#include <cstdlib>
#include <stdexcept>

#include "software_tpm.hpp"

namespace mtlspop::test {
namespace {

constexpr char const* SoftHsm = "/usr/lib/softhsm/libsofthsm2.so";

/// Where all tokens of this process are.
std::string const& Configuration() {
  static TemporaryDirectory const folder;
  static std::string const path = [] {
    auto const tokens = folder.MakeDirectory("tokens", "");
    auto const file = folder.WriteFile(
        "softhsm2.conf", "directories.tokendir = " + tokens + "\nobjectstore.backend = file\nlog.level = ERROR\n");
    ::setenv("SOFTHSM2_CONF", file.c_str(), 1);
    return file;
  }();
  return path;
}

std::vector<std::string> Environment() { return {"SOFTHSM2_CONF=" + Configuration()}; }

/// A function of the module that can be taken out: it is loaded once in a process.
template <class Function>
Function* Find(char const* name) {
  auto* const module = ::dlopen(MTLSPOP_REMOVABLE_MODULE, RTLD_NOW);
  auto* const function = module != nullptr ? ::dlsym(module, name) : nullptr;
  if (function == nullptr) throw std::runtime_error{"the removable module cannot be loaded"};
  return reinterpret_cast<Function*>(function);
}

}  // namespace

SoftwareToken::SoftwareToken(std::string label) : label_(std::move(label)) {
  RunProgram(
      {"/usr/bin/softhsm2-util", "--init-token", "--free", "--label", label_, "--so-pin", "87654321", "--pin",
       std::string{Pin}},
      Environment());
}

std::string SoftwareToken::Uri(std::string const& object) const {
  auto const pin = folder_.WriteFile("pin", std::string{Pin} + "\n");
  return "pkcs11:token=" + label_ + ";object=" + object + "?module-path=" + SoftHsm + "&pin-source=file:" + pin;
}

std::string SoftwareToken::RemovableUri(std::string const& object) const {
  auto uri = Uri(object);
  return uri.replace(uri.find(SoftHsm), std::string{SoftHsm}.size(), MTLSPOP_REMOVABLE_MODULE);
}

void SoftwareToken::Tool(std::vector<std::string> arguments) const {
  std::vector<std::string> command{
      "/usr/bin/pkcs11-tool", "--module", SoftHsm, "--token-label", label_, "--login", "--pin", std::string{Pin}};
  command.insert(command.end(), arguments.begin(), arguments.end());
  RunProgram(command, Environment());
}

void SoftwareToken::MakeDecryptingKey(std::string const& label) const {
  RunProgram(
      {"/usr/bin/p11tool", "--provider", SoftHsm, "--login", "--set-pin", std::string{Pin}, "--generate-privkey", "rsa",
       "--bits", "2048", "--label", label, "--no-mark-sign", "--mark-decrypt", "--outfile", "/dev/null",
       "pkcs11:token=" + label_},
      Environment());
}

void RemovableModule::SetPresent(bool present) { Find<void(int)>("RemovableModuleSetPresent")(present ? 1 : 0); }

int RemovableModule::Logins() { return Find<int()>("RemovableModuleLogins")(); }

void RemovableModule::SetFlags(unsigned long flags) { Find<void(unsigned long)>("RemovableModuleSetFlags")(flags); }

void RemovableModule::SetMaking(bool none, int twin) {
  Find<void(int, int)>("RemovableModuleSetMaking")(none ? 1 : 0, twin);
}

void RemovableModule::SetSessions(unsigned long most, bool says) {
  Find<void(unsigned long, int)>("RemovableModuleSetSessions")(most, says ? 1 : 0);
}

void RemovableModule::SetTyped(char const* pin) { Find<void(char const*)>("RemovableModuleSetTyped")(pin); }

void RemovableModule::FailReading(int after, unsigned long reason) {
  Find<void(int, unsigned long)>("RemovableModuleFailReading")(after, reason);
}

void RemovableModule::HoldLogins(bool hold) { Find<void(int)>("RemovableModuleHoldLogins")(hold ? 1 : 0); }

void RemovableModule::SetLacking(bool pss, bool raw) {
  Find<void(int, int)>("RemovableModuleSetLacking")(pss ? 1 : 0, raw ? 1 : 0);
}

unsigned long RemovableModule::LastUsed() { return Find<unsigned long()>("RemovableModuleLastUsed")(); }

}  // namespace mtlspop::test
