// mtlspop-emulator run -- PROGRAM, and --print-env.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <map>
#include <sstream>

#include "emulated_app.hpp"

namespace emulator_test {
namespace {

// `run` with these options and a shell that does this.
std::vector<std::string> RunShell(std::string const& script, std::vector<std::string> options = {}) {
  options.insert(options.begin(), "run");
  options.insert(options.end(), {"--", "sh", "-c", script});
  return options;
}

class ScopedVariable {
 public:
  ScopedVariable(char const* name, char const* value) : _name(name) { setenv(name, value, 1); }
  ScopedVariable(ScopedVariable const&) = delete;
  ScopedVariable& operator=(ScopedVariable const&) = delete;
  ~ScopedVariable() { unsetenv(_name); }

 private:
  char const* const _name;
};

std::string OutputOf(std::string const& script, std::vector<std::string> options = {}) {
  ReadProgram program(RunShell(script, std::move(options)));
  auto text = program.ReadToEnd();
  EXPECT_EQ(program.Wait(), 0) << script;
  return text;
}

// Until this process, of which this one is not the parent, has ended: its output ends earlier.
void AwaitEnd(std::string const& process) {
  auto const descriptor = static_cast<int>(syscall(SYS_pidfd_open, std::stoi(process), 0));
  if (descriptor >= 0) {
    pollfd one{descriptor, POLLIN, 0};
    EXPECT_EQ(poll(&one, 1, -1), 1);
    close(descriptor);
  }
}

std::map<std::string, std::string> OverridesIn(std::string const& text) {
  std::map<std::string, std::string> overrides;
  std::istringstream list(text);
  for (std::string entry; std::getline(list, entry, ',');) {
    auto const equals = entry.find('=');
    overrides.emplace(entry.substr(0, equals), entry.substr(equals + 1));
  }
  return overrides;
}

TEST(Run, EndsWithTheProgramsStatus) {
  EXPECT_EQ(RunEmulator(RunShell("exit 0")), 0);
  EXPECT_EQ(RunEmulator(RunShell("exit 7")), 7);
  EXPECT_EQ(RunEmulator(RunShell("kill -KILL $$")), 128 + SIGKILL);
  EXPECT_EQ(RunEmulator({"run", "--", "/nowhere/at-all"}), 127);
  EXPECT_EQ(RunEmulator({"run", "--", "no-such-program-on-the-path"}), 127);
  EXPECT_EQ(RunEmulator({"run", "--", "/etc/passwd"}), 126);
}

TEST(Run, WantsAProgram) {
  EXPECT_EQ(RunEmulator({"run"}), 2);
  EXPECT_EQ(RunEmulator({"run", "--"}), 2);
  EXPECT_EQ(RunEmulator({"run", "true"}), 2);
  EXPECT_EQ(RunEmulator({"run", "--imsd", "v1", "--", "true"}), 2);
  EXPECT_EQ(RunEmulator({"run", "--exit-with-stdin", "--", "true"}), 2);
  EXPECT_EQ(RunEmulator({"run", "--print-env", "--", "true"}), 2);
  EXPECT_EQ(RunEmulator({"--keep-serving"}), 2);
  EXPECT_EQ(RunEmulator({"run", "--help"}), 0);
}

TEST(Run, LeavesStandardOutputToTheProgram) { EXPECT_EQ(OutputOf("printf 'mine alone'"), "mine alone"); }

TEST(Run, PassesArgumentsAsTheyAre) {
  ReadProgram program({"run", "--", "printf", "%s|", "--imds", "a b", "--"});
  EXPECT_EQ(program.ReadToEnd(), "--imds|a b|--|");
  EXPECT_EQ(program.Wait(), 0);
}

TEST(Run, LeadsTheProgramToTheEmulator) {
  ReadProgram program(RunShell(
      "printf '%s\n' \"$AZURE_POD_IDENTITY_AUTHORITY_HOST\" \"$MTLSPOP_EMULATOR_CONTROL\" "
      "\"$MTLSPOP_CONNECT_OVERRIDES\"; cat \"$MTLSPOP_CA_FILE\" | head -1",
      {}));
  auto const imds = program.ReadLine();
  EXPECT_EQ(imds.compare(0, 17, "http://127.0.0.1:"), 0) << imds;
  EXPECT_EQ(program.ReadLine(), imds);
  auto const overrides = OverridesIn(program.ReadLine());
  EXPECT_EQ(program.ReadLine(), "-----BEGIN CERTIFICATE-----");
  auto const vault = overrides.at("*.vault.azure.net:443");
  auto const sts = overrides.at("mtlsauth.microsoft.com:443");
  EXPECT_EQ(overrides.at("contoso.vault.azure.net:443"), vault);
  EXPECT_EQ(overrides.at("*.blob.core.windows.net:443"), vault);
  EXPECT_EQ(overrides.at("*.mtlsauth.microsoft.com:443"), sts);
  EXPECT_EQ(overrides.at("login.microsoftonline.com:443"), sts);
  EXPECT_EQ(overrides.at("westeurope.mtlsauth.microsoft.com:443"), sts);
  EXPECT_NE(vault, sts);
  EXPECT_EQ(overrides.count("*.attest.azure.net:443"), 1U);
}

TEST(Run, KeepsTheUsersOverridesBehindItsOwn) {
  ScopedVariable const overrides("MTLSPOP_CONNECT_OVERRIDES", "db.example:443=127.0.0.1:1,*.vault.azure.net:443=h:2");
  auto const text = OutputOf("printf %s \"$MTLSPOP_CONNECT_OVERRIDES\"");
  auto const theirs = text.find(",db.example:443=127.0.0.1:1,*.vault.azure.net:443=h:2");
  ASSERT_NE(theirs, std::string::npos) << text;
  EXPECT_LT(text.find("*.vault.azure.net:443=127.0.0.1:"), theirs);
}

TEST(Run, KeepsAProxyAwayFromTheEmulator) {
  EXPECT_EQ(OutputOf("printf %s \"${NO_PROXY-unset}\""), "unset");
  ScopedVariable const proxy("https_proxy", "http://proxy.example:3128");
  ScopedVariable const without("NO_PROXY", "inside.example");
  for (auto const* const name : {"no_proxy", "NO_PROXY"}) {
    auto const list = OutputOf("printf %s \"$" + std::string(name) + "\"");
    EXPECT_EQ(list.compare(0, 25, "inside.example,localhost,"), 0) << list;
    EXPECT_NE(list.find(",.vault.azure.net"), std::string::npos) << list;
  }
}

TEST(Run, PassesSignalsOn) {
  for (auto const& [number, name] : {std::pair(SIGTERM, "TERM"), {SIGINT, "INT"}, {SIGHUP, "HUP"}, {SIGUSR1, "USR1"}}) {
    ReadProgram program(RunShell("sleep 60 & trap \"kill $!; exit 5\" " + std::string(name) + "; echo ready; wait"));
    ASSERT_EQ(program.ReadLine(), "ready");
    program.Signal(number);
    EXPECT_EQ(program.Wait(), 5) << name;
  }
}

TEST(Run, StartsTheProgramAsItWasStartedItself) {
  // Neither with the emulator's ignored SIGPIPE, nor with the signals it holds back, nor with its many descriptors.
  std::signal(SIGPIPE, SIG_DFL);
  EXPECT_EQ(RunEmulator(RunShell("kill -PIPE $$")), 128 + SIGPIPE);
  EXPECT_EQ(RunEmulator(RunShell("kill -TERM $$")), 128 + SIGTERM);
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  rlimit const small{512, limit.rlim_max};
  setrlimit(RLIMIT_NOFILE, &small);
  EXPECT_EQ(OutputOf("ulimit -n"), "512\n");
  setrlimit(RLIMIT_NOFILE, &limit);
}

TEST(Run, CanGoOnServingWhenTheProgramHasEnded) {
  ReadProgram program(RunShell("echo $$; echo \"$MTLSPOP_EMULATOR_CONTROL\"; exit 3", {"--keep-serving"}));
  auto const shell = program.ReadLine();
  auto const control = program.ReadLine();
  ASSERT_EQ(program.ReadToEnd(), "") << "the emulator itself still has the output";
  AwaitEnd(shell);
  {
    TestConnection connection(control.substr(7));
    EXPECT_EQ(connection.Call({"GET", "/emulator/startup", {}, {}}).Status, 200U);
  }
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), 3);
}

TEST(Run, IsAskedToEndBeforeItHasSeenTheProgramEnd) {
  ReadProgram program(RunShell("echo $$; kill -STOP $PPID; exit 3", {"--keep-serving"}));
  AwaitEnd(program.ReadLine());
  program.Signal(SIGTERM);
  program.Signal(SIGCONT);
  EXPECT_EQ(program.Wait(), 3);
}

TEST(PrintEnv, IsForAShell) {
  // The shell goes on while the emulator serves, and ends it at last.
  auto const script = "eval \"$('" + std::string(MTLSPOP_EMULATOR_PROGRAM) +
                      "' --print-env --imds-port 0 </dev/null &)\"; "
                      "head -1 \"$MTLSPOP_CA_FILE\"; echo \"$AZURE_POD_IDENTITY_AUTHORITY_HOST\"; "
                      "kill -0 \"$MTLSPOP_EMULATOR_PID\" && kill \"$MTLSPOP_EMULATOR_PID\"";
  auto* const shell = popen(script.c_str(), "r");
  char line[200];
  ASSERT_NE(std::fgets(line, sizeof line, shell), nullptr);
  EXPECT_STREQ(line, "-----BEGIN CERTIFICATE-----\n");
  ASSERT_NE(std::fgets(line, sizeof line, shell), nullptr);
  EXPECT_EQ(std::string(line).compare(0, 17, "http://127.0.0.1:"), 0) << line;
  EXPECT_EQ(pclose(shell), 0);
}

TEST(Defaults, FitTheReadmesExample) {
  EmulatorProcess emulator;
  EXPECT_EQ(emulator.Startup().at("secrets"), (nlohmann::json{"boundsecret", "password"}));
  EmulatedApp app(emulator);
  auto const& binding = app.Bind();
  auto tls = app.Tls(&binding);
  tls.ServerName = "myvault.vault.azure.net";
  TestConnection vault(emulator.Startup().at("connect").at("*.vault.azure.net:443"), tls);
  EXPECT_EQ(vault.Call(BoundCall("GET", "/secrets/password?api-version=7.4", app.Token())).Status, 200U);
}

}  // namespace
}  // namespace emulator_test
