#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <thread>

#include "credential/emulator.hpp"
#include "gateway/program.hpp"
#include "mtlspop/base/posix/descriptor.hpp"
#include "support/sanitized.hpp"
#include "support/temporary_directory.hpp"

namespace mtlspop::test {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;
using testing::StartsWith;

// The program as a service manager starts it.
class GatewayServeCommand : public testing::Test {
 protected:
  GatewayServeCommand() { WriteConfiguration("/vault=https://contoso.vault.azure.net"); }

  void WriteConfiguration(std::string const& origin) {
    Configure("socket = \"" + SocketPath() + "\"\naccess-log = true\norigin = [\"" + origin + "\"]\n");
  }
  void Configure(std::string const& text) const {
    std::ofstream{folder_.PathOf("gateway.conf")} << "[serve]\n" << text;
  }
  std::string SocketPath() const { return folder_.PathOf("gateway.sock"); }

  /// @param through what starts the program in its place, which is handed to it as its last arguments
  std::unique_ptr<ServerProcess> Start(
      std::vector<std::string> environment = {},
      std::vector<std::string> through = {},
      std::vector<std::string> const& more = {}) {
    auto const options = emulator_.MakeTransportOptions();
    std::string overrides;
    for (auto const& each : options.ConnectOverrides)
      overrides += (overrides.empty() ? "" : ",") + each.From + "=" + each.To;
    environment.push_back("MTLSPOP_CONNECT_OVERRIDES=" + overrides);
    environment.push_back("MTLSPOP_CA_FILE=" + options.Tls.Trust.CaFile);
    environment.push_back("AZURE_POD_IDENTITY_AUTHORITY_HOST=" + emulator_.ImdsEndpoint());
    through.insert(through.end(), {MTLSPOP_PROGRAM, "--config", folder_.PathOf("gateway.conf"), "serve"});
    through.insert(through.end(), more.begin(), more.end());
    return std::make_unique<ServerProcess>(ServerCommand{std::move(through), std::move(environment), SIGTERM});
  }
  std::string Ask(std::string const& path) const {
    return RunProgram({"/usr/bin/curl", "-sS", "-i", "--unix-socket", SocketPath(), "http://localhost" + path}, {})
        .Output;
  }
  TemporaryDirectory const& Folder() const { return folder_; }

 private:
  TemporaryDirectory folder_;
  Emulator emulator_;
};

TEST_F(GatewayServeCommand, ServesReloadsAndEnds) {
  auto const process = Start();
  ASSERT_TRUE(process->WaitForOutput("mtlspop: ready")) << process->Output();
  EXPECT_THAT(Ask("/vault/secrets/boundsecret?api-version=7.4"), HasSubstr("HTTP/1.1 200 OK"));
  EXPECT_TRUE(process->WaitForOutput("\"status\":200")) << process->Output();

  WriteConfiguration("/other=https://contoso.vault.azure.net");
  ::kill(process->Pid(), SIGHUP);
  ASSERT_TRUE(process->WaitForOutput("read again")) << process->Output();
  EXPECT_THAT(Ask("/vault/secrets/boundsecret?api-version=7.4"), HasSubstr("no_such_origin"));
  EXPECT_THAT(Ask("/other/secrets/boundsecret?api-version=7.4"), HasSubstr("HTTP/1.1 200 OK"));

  WriteConfiguration("nonsense");
  ::kill(process->Pid(), SIGHUP);
  ASSERT_TRUE(process->WaitForOutput("stay as they were")) << process->Output();
  EXPECT_THAT(Ask("/other/secrets/boundsecret?api-version=7.4"), HasSubstr("HTTP/1.1 200 OK"));
}

// What is written on the command line wins, then and afterwards.
TEST_F(GatewayServeCommand, KeepsTheOriginsOfTheCommandLineWhereItReloads) {
  auto const process = Start({}, {}, {"--origin", "/own=https://contoso.vault.azure.net"});
  ASSERT_TRUE(process->WaitForOutput("mtlspop: ready")) << process->Output();
  ::kill(process->Pid(), SIGHUP);
  ASSERT_TRUE(process->WaitForOutput("given on the command line")) << process->Output();
  EXPECT_THAT(Ask("/own/secrets/boundsecret?api-version=7.4"), HasSubstr("HTTP/1.1 200 OK"));
  EXPECT_THAT(Ask("/vault/secrets/boundsecret?api-version=7.4"), HasSubstr("no_such_origin"));
}

TEST_F(GatewayServeCommand, HasNoMemoryThatItsUserCanRead) {
  auto const process = Start();
  ASSERT_TRUE(process->WaitForOutput("mtlspop: ready")) << process->Output();
  auto const* const self = "/proc/self/environ";
  auto const other = "/proc/" + std::to_string(process->Pid()) + "/environ";
  struct stat status {};
  ASSERT_EQ(::stat(other.c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 0U) << "the kernel gives root the files of a process that may not be looked at";
  if (::geteuid() == 0) GTEST_SKIP() << "root may look at everything";
  ASSERT_EQ(::stat(self, &status), 0);
  EXPECT_EQ(status.st_uid, ::geteuid());
  EXPECT_NE(::access(other.c_str(), R_OK), 0);
}

TEST(GatewayUnit, IsHardened) {
  constexpr char const* Analyze = "/usr/bin/systemd-analyze";
  if (!IsProgram(Analyze)) GTEST_SKIP() << "there is no systemd-analyze";
  // In tenths.
  auto const result = RunProgram(
      {Analyze, "security", "--offline=true", "--threshold=20", "--no-pager", MTLSPOP_UNITS "/mtlspop-gateway.service"},
      {});
  EXPECT_EQ(result.Status, 0) << result.Output << result.Errors;
}

/// A service manager that starts it again and again would show a token the wrong PIN until it locks.
TEST(GatewayUnit, IsNotStartedAgainWithAKeyThatCannotBeUsed) {
  TemporaryDirectory const folder;
  auto const refused = RunProgram(
      {MTLSPOP_PROGRAM, "serve", "--port", "0", "--cert", "pkcs11:token=x?module-path=/nonexistent.so", "--tenant",
       "72f988bf-86f1-41af-91ab-2d7cd011db47", "--client-id", "11111111-2222-3333-4444-555555555555", "--secret-file",
       folder.WriteFile("secret", "a-secret-that-is-long-enough-for-a-port"), "--origin",
       "/=https://contoso.vault.azure.net"},
      {});
  EXPECT_THAT(refused.Status, AnyOf(2, 58)) << refused.Errors;
  std::ifstream unit{MTLSPOP_UNITS "/mtlspop-gateway.service"};
  std::string const text{std::istreambuf_iterator<char>{unit}, std::istreambuf_iterator<char>{}};
  EXPECT_THAT(text, HasSubstr("\nRestartPreventExitStatus=2 58\n"));
}

TEST_F(GatewayServeCommand, TakesNoSecretThatOthersMayRead) {
  auto const secret = Folder().WriteFile("secret", "a-secret-that-is-long-enough-for-a-port");
  auto const result = RunProgram(
      {MTLSPOP_PROGRAM, "serve", "--port", "0", "--secret-file", secret, "--origin",
       "/=https://contoso.vault.azure.net"},
      {});
  EXPECT_NE(result.Status, 0);
  EXPECT_THAT(result.Errors, HasSubstr("others may read it"));
}

/// The socket that NOTIFY_SOCKET names, for which a service manager listens.
class ServiceManager final {
 public:
  explicit ServiceManager(std::string path)
      : path_(std::move(path)), socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    timeval const patience{20, 0};
    ::setsockopt(socket_.Get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    auto const address = AddressOf(path_);
    EXPECT_EQ(::bind(socket_.Get(), reinterpret_cast<sockaddr const*>(&address), sizeof address), 0);
  }

  std::string Variable() const { return "NOTIFY_SOCKET=" + path_; }
  /// What it is told next; "" where that takes too long.
  std::string Next() const {
    std::array<char, 256> text{};
    auto const count = ::recv(socket_.Get(), text.data(), text.size(), 0);
    return count < 0 ? "" : std::string(text.data(), static_cast<std::size_t>(count));
  }

  static sockaddr_un AddressOf(std::string const& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    return address;
  }

 private:
  std::string const path_;
  Descriptor const socket_;
};

TEST_F(GatewayServeCommand, TellsTheServiceManagerWhatItDoes) {
  ServiceManager const manager{Folder().PathOf("notify")};
  auto const process = Start({manager.Variable()});
  EXPECT_EQ(manager.Next(), "READY=1") << process->Output();
  ::kill(process->Pid(), SIGHUP);
  EXPECT_THAT(manager.Next(), AllOf(StartsWith("RELOADING=1\n"), HasSubstr("MONOTONIC_USEC=")));
  EXPECT_EQ(manager.Next(), "READY=1");
  ::kill(process->Pid(), SIGTERM);
  EXPECT_EQ(manager.Next(), "STOPPING=1");
}

TEST_F(GatewayServeCommand, TellsTheServiceManagerThatItIsAliveWhereThatIsWanted) {
  ServiceManager const manager{Folder().PathOf("notify")};
  auto const process = Start({manager.Variable(), "WATCHDOG_USEC=100000"});
  EXPECT_EQ(manager.Next(), "READY=1") << process->Output();
  EXPECT_EQ(manager.Next(), "WATCHDOG=1");
  EXPECT_EQ(manager.Next(), "WATCHDOG=1");
}

/// A socket that the program inherits. Bound; the program listens, so that nobody does on an address that it refuses.
class PassedSocket final {
 public:
  PassedSocket(int family, sockaddr const* address, socklen_t length) : socket_(::socket(family, SOCK_STREAM, 0)) {
    EXPECT_EQ(::bind(socket_.Get(), address, length), 0);
  }
  static PassedSocket OnPath(std::string const& path) {
    auto const address = ServiceManager::AddressOf(path);
    return {AF_UNIX, reinterpret_cast<sockaddr const*>(&address), sizeof address};
  }
  static PassedSocket OnAddress(std::uint32_t host) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(host);
    return {AF_INET, reinterpret_cast<sockaddr const*>(&address), sizeof address};
  }

  int Get() const noexcept { return socket_.Get(); }
  std::string Port() const {
    sockaddr_in address{};
    socklen_t length = sizeof address;
    ::getsockname(socket_.Get(), reinterpret_cast<sockaddr*>(&address), &length);
    return std::to_string(ntohs(address.sin_port));
  }
  /// As a service manager starts a program with this socket (sd_listen_fds(3)): at 3, and said to be for `process`.
  std::vector<std::string> Passing(std::string const& process = "$$") const {
    return {
        "/bin/sh", "-c",
        "LISTEN_PID=" + process + " LISTEN_FDS=1 LISTEN_FDNAMES=gateway.socket exec \"$@\" 3<&" +
            std::to_string(socket_.Get()),
        "sh"};
  }

 private:
  Descriptor socket_;
};

/// A client that connects and has nothing to say.
Descriptor ConnectTo(std::string const& path) {
  Descriptor client{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  auto const address = ServiceManager::AddressOf(path);
  EXPECT_EQ(::connect(client.Get(), reinterpret_cast<sockaddr const*>(&address), sizeof address), 0);
  return client;
}

TEST_F(GatewayServeCommand, SaysThatItHasNoDescriptorsAndGoesOnWhenItHas) {
  if (IsSanitized) GTEST_SKIP() << "UndefinedBehaviorSanitizer wants descriptors to look at an object";
  // Three descriptors for each processor, and some for what it sends itself.
  auto const most = 54 + 3 * std::thread::hardware_concurrency();
  auto const process =
      Start({"MTLSPOP_LOG=warning"}, {"/bin/sh", "-c", "ulimit -n " + std::to_string(most) + "; exec \"$@\"", "sh"});
  ASSERT_TRUE(process->WaitForOutput("mtlspop: ready")) << process->Output();
  {
    std::vector<Descriptor> clients;
    for (unsigned count = 0; count < most + 20; ++count) clients.push_back(ConnectTo(SocketPath()));
    EXPECT_TRUE(process->WaitForOutput("gateway.connection_not_accepted")) << process->Output();
    EXPECT_THAT(process->Output(), HasSubstr("nothing_left"));
  }
  EXPECT_THAT(Ask("/vault/secrets/boundsecret?api-version=7.4"), HasSubstr("HTTP/1.1 200 OK"));
}

constexpr char const* Origin = "origin = [\"/vault=https://contoso.vault.azure.net\"]\n";

TEST_F(GatewayServeCommand, ServesAUnixSocketThatTheServiceManagerHasOpened) {
  Configure(Origin);
  auto const socket = PassedSocket::OnPath(SocketPath());
  auto const process = Start({}, socket.Passing());
  ASSERT_TRUE(process->WaitForOutput("mtlspop: ready")) << process->Output();
  EXPECT_THAT(Ask("/vault/secrets/boundsecret?api-version=7.4"), HasSubstr("HTTP/1.1 200 OK"));
  process->Stop();
  EXPECT_EQ(::access(SocketPath().c_str(), F_OK), 0) << "the service manager's file is not the program's to remove";
}

TEST_F(GatewayServeCommand, ServesAPortThatTheServiceManagerHasOpenedWithItsSecretAlone) {
  std::string const secret = "a-secret-that-is-long-enough-for-a-port";
  auto const file = Folder().WriteFile("secret", secret);
  ASSERT_EQ(::chmod(file.c_str(), 0600), 0);
  auto const socket = PassedSocket::OnAddress(INADDR_LOOPBACK);
  Configure(Origin);
  auto const without = Start({}, socket.Passing());
  EXPECT_TRUE(without->WaitForOutput("there is no secret for it")) << without->Output();

  Configure(Origin + ("secret-file = \"" + file + "\"\n"));
  auto const process = Start({}, socket.Passing());
  ASSERT_TRUE(process->WaitForOutput("mtlspop: ready")) << process->Output();
  auto const url = "http://127.0.0.1:" + socket.Port() + "/vault/secrets/boundsecret?api-version=7.4";
  EXPECT_THAT(
      RunProgram({"/usr/bin/curl", "-sS", "-i", "-H", "x-mtlspop-secret: " + secret, url}, {}).Output,
      HasSubstr("HTTP/1.1 200 OK"));
  EXPECT_THAT(RunProgram({"/usr/bin/curl", "-sS", "-i", url}, {}).Output, HasSubstr("HTTP/1.1 401"));
}

TEST_F(GatewayServeCommand, ServesAPortOfIpv6ByItsOwnAddress) {
  std::string const secret = "a-secret-that-is-long-enough-for-a-port";
  auto const file = Folder().WriteFile("secret", secret);
  ASSERT_EQ(::chmod(file.c_str(), 0600), 0);
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_addr = in6addr_loopback;
  Descriptor const tried{::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  if (::bind(tried.Get(), reinterpret_cast<sockaddr const*>(&address), sizeof address) != 0) {
    GTEST_SKIP() << "this machine has no IPv6";
  }
  PassedSocket const socket{AF_INET6, reinterpret_cast<sockaddr const*>(&address), sizeof address};
  Configure(Origin + ("secret-file = \"" + file + "\"\n"));
  auto const process = Start({}, socket.Passing());
  ASSERT_TRUE(process->WaitForOutput("mtlspop: ready")) << process->Output();
  auto const url = "http://[::1]:" + socket.Port() + "/vault/secrets/boundsecret?api-version=7.4";
  EXPECT_THAT(
      RunProgram({"/usr/bin/curl", "-g", "-sS", "-i", "-H", "x-mtlspop-secret: " + secret, url}, {}).Output,
      HasSubstr("HTTP/1.1 200 OK"));
}

TEST_F(GatewayServeCommand, TakesNoPassedSocketThatOthersCanReach) {
  Configure(Origin);
  auto const socket = PassedSocket::OnAddress(INADDR_ANY);
  auto const process = Start({}, socket.Passing());
  EXPECT_TRUE(process->WaitForOutput("neither a unix socket nor bound to a loopback address")) << process->Output();
}

TEST_F(GatewayServeCommand, TakesNoSocketThatWasPassedToAnotherProcess) {
  Configure(Origin);
  auto const socket = PassedSocket::OnPath(SocketPath());
  auto const process = Start({}, socket.Passing("1"));
  EXPECT_TRUE(process->WaitForOutput("The gateway has no way in")) << process->Output();
}

}  // namespace
}  // namespace mtlspop::test
