// What happens where there is no memory: in this program every so-manieth allocation of the thread under test fails.

#include <array>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/failing_allocations.hpp"
#include "transport_test.hpp"

namespace mtlspop::test {
namespace {

/// 0 for no failure.
thread_local std::uint64_t failEvery = 0;
thread_local std::uint64_t allocations = 0;

}  // namespace

bool Fails() noexcept { return failEvery != 0 && ++allocations % failEvery == 0; }

namespace {

std::string CodeOfReading(Response& response) {
  std::array<std::uint8_t, 64> buffer{};
  try {
    while (response.Body->Read(buffer, Context{}) != 0) continue;
  } catch (Error const& error) {
    failEvery = 0;
    return std::string{error.Code().Name()};
  }
  return "no error";
}

/// A failed allocation costs its request, with an error that says so, and nothing else.
TEST(AttackMemoryTest, AFailedAllocationCostsItsRequestAndNothingElse) {
  ASSERT_EQ(failingIsInstalled, 1);
  ScriptedServer server{AskingTlsServer(), [](ScriptedConnection& connection) {
                          connection.ReadRequest();
                          connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
                        }};
  auto const transport = MakeTransport();
  auto const binding = NewBinding();
  ASSERT_EQ(Fetch(transport, Get(server.Url()), binding).Status, 200);

  int failed = 0;
  for (std::uint64_t every = 1; every <= 20000; ++every) {
    // Now and then one that has no session to resume.
    auto const used = every % 4 == 0 ? MakeTransport() : transport;
    auto request = Get(server.Url());
    std::string code = "no error";
    std::unique_ptr<Response> response;
    failEvery = every;
    try {
      response = used->Send(request, binding, Context{});
    } catch (Error const& error) {
      failEvery = 0;
      code = error.Code().Name();
      // Not the other side's fault, nor the certificate's.
      EXPECT_EQ(code, "system_failure") << every << ": " << error.what();
    }
    failed += response ? 0 : 1;
    if (response) code = CodeOfReading(*response);
    failEvery = 0;
    EXPECT_THAT(code, testing::AnyOf("no error", "system_failure")) << every;
    response.reset();
    if (every % 100 == 1) {
      EXPECT_EQ(Fetch(transport, Get(server.Url()), binding).Status, 200) << every;
    }
  }
  EXPECT_GT(failed, 100);
  EXPECT_EQ(Fetch(transport, Get(server.Url()), binding).Status, 200);
}

}  // namespace
}  // namespace mtlspop::test
