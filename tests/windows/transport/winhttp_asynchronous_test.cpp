// What is promised of `SendAsync` over WinHTTP beyond what `Send` does.

#include <array>
#include <deque>
#include <utility>

#include "winhttp_transport_fixture.hpp"

namespace mtlspop::windows_tests {
namespace {

using testing::NiceMock;

/// Counts the connections that it is told of.
class Connections final : public Observer {
 public:
  void OnEvent(Event const& event) override { Count += event.Name == "transport.connected" ? 1U : 0U; }
  std::size_t Count = 0;
};

/// Everything runs where the application says, and waiting takes no thread: this one pumps for all.
TEST(WinHttpAsynchronousTest, AHundredRequestsInFlightNeedOneThread) {
  auto const http = std::make_shared<NiceMock<FakeWinHttp>>();
  std::deque<HINTERNET> pending;
  ON_CALL(*http, SendRequest).WillByDefault([&](HINTERNET request, DWORD, DWORD_PTR) {
    pending.push_back(request);
    return true;
  });
  std::deque<std::function<void()>> tasks;
  auto const pump = [&tasks] {
    while (!tasks.empty()) {
      auto const task = std::move(tasks.front());
      tasks.pop_front();
      task();
    }
  };
  TransportOptions options;
  options.Proxy.UseEnvironment = false;
  auto const connections = std::make_shared<Connections>();
  options.Observer = connections;
  options.Callbacks = [&tasks](std::function<void()> task) { tasks.push_back(std::move(task)); };
  {
    auto const transport = schannel::MakeWinHttpTransport(options, http);
    std::vector<std::unique_ptr<Response>> answers;
    for (int count = 0; count < 100; ++count) {
      auto request = std::make_shared<Request>("POST", Url::Parse("https://example.com/"));
      request->SetBody("abc");
      transport->SendAsync(std::move(request), nullptr, {}, [&answers](Outcome<std::unique_ptr<Response>> outcome) {
        answers.push_back(std::move(outcome).Take());
      });
    }
    EXPECT_TRUE(pending.empty()) << "nothing is done on the caller's stack";
    pump();
    EXPECT_EQ(pending.size(), 100U);
    EXPECT_TRUE(answers.empty());
    for (auto* const request : pending) {
      http->ReportConnection(request, true, static_cast<std::uint16_t>(1000 + http->RequestsSent));
      http->Report(request, WINHTTP_CALLBACK_STATUS_SENDREQUEST_COMPLETE);
    }
    EXPECT_TRUE(answers.empty()) << "nothing of the caller's runs on a thread of WinHTTP's";
    EXPECT_EQ(connections->Count, 0U) << "nor its observer";
    pump();
    EXPECT_EQ(connections->Count, 100U);
    ASSERT_EQ(answers.size(), 100U);
    std::array<std::uint8_t, 100> buffer{};
    std::size_t read = 0;
    answers.front()->Body->ReadAsync(
        buffer, {}, [&read](Outcome<std::size_t> outcome) { read = std::move(outcome).Take(); });
    EXPECT_EQ(read, 0U);
    pump();
    EXPECT_EQ(read, 5U);
  }
  EXPECT_EQ(http->Written().size(), 300U);
  EXPECT_EQ(http->OpenHandles(), 0U);
}

TEST(WinHttpAsynchronousTest, ARequestThatIsNullIsRefusedAtOnce) {
  auto const transport = schannel::MakeWinHttpTransport({}, std::make_shared<NiceMock<FakeWinHttp>>());
  EXPECT_THROW(transport->SendAsync(nullptr, nullptr, {}, [](auto) { FAIL(); }), Error);
}

}  // namespace
}  // namespace mtlspop::windows_tests
