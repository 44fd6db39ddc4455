#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <fstream>

#include "credential/emulator.hpp"
#include "gateway/program.hpp"
#include "mtlspop/base/posix/descriptor.hpp"
#include "support/temporary_directory.hpp"

namespace mtlspop::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// The program as a service manager starts it.
class GatewayServeCommand : public testing::Test {
 protected:
  GatewayServeCommand() { WriteConfiguration("/vault=https://contoso.vault.azure.net"); }

  void WriteConfiguration(std::string const& origin) {
    std::ofstream{folder_.PathOf("gateway.conf")} << "[serve]\nsocket = \"" << SocketPath()
                                                  << "\"\naccess-log = true\norigin = [\"" << origin << "\"]\n";
  }
  std::string SocketPath() const { return folder_.PathOf("gateway.sock"); }

  std::unique_ptr<ServerProcess> Start(std::vector<std::string> environment = {}) {
    auto const options = emulator_.MakeTransportOptions();
    std::string overrides;
    for (auto const& each : options.ConnectOverrides)
      overrides += (overrides.empty() ? "" : ",") + each.From + "=" + each.To;
    environment.push_back("MTLSPOP_CONNECT_OVERRIDES=" + overrides);
    environment.push_back("MTLSPOP_CA_FILE=" + options.Tls.Trust.CaFile);
    environment.push_back("AZURE_POD_IDENTITY_AUTHORITY_HOST=" + emulator_.ImdsEndpoint());
    return std::make_unique<ServerProcess>(ServerCommand{
        {MTLSPOP_PROGRAM, "--config", folder_.PathOf("gateway.conf"), "serve"}, std::move(environment), SIGTERM});
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

TEST_F(GatewayServeCommand, TakesNoSecretThatOthersMayRead) {
  auto const secret = Folder().WriteFile("secret", "a-secret-that-is-long-enough-for-a-port");
  auto const result = RunProgram(
      {MTLSPOP_PROGRAM, "serve", "--port", "0", "--secret-file", secret, "--origin",
       "/=https://contoso.vault.azure.net"},
      {});
  EXPECT_NE(result.Status, 0);
  EXPECT_THAT(result.Errors, HasSubstr("others may read it"));
}

TEST_F(GatewayServeCommand, TellsTheServiceManagerWhenItIsReady) {
  Descriptor const manager{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  timeval const patience{20, 0};
  ::setsockopt(manager.Get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  auto const path = Folder().PathOf("notify");
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(manager.Get(), reinterpret_cast<sockaddr const*>(&address), sizeof address), 0);
  auto const process = Start({"NOTIFY_SOCKET=" + path});
  std::array<char, 64> text{};
  auto const count = ::recv(manager.Get(), text.data(), text.size(), 0);
  ASSERT_GT(count, 0) << process->Output();
  EXPECT_EQ(std::string(text.data(), static_cast<std::size_t>(count)), "READY=1");
}

}  // namespace
}  // namespace mtlspop::test
