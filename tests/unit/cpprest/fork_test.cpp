#include <gtest/gtest.h>

#include <cpprest/http_msg.h>

#include <memory>
#include <utility>
#include <vector>

#include "sending_stage.hpp"
#include "support/in_child.hpp"

namespace mtlspop::cpprest {
namespace {

/// Counts what is sent, and answers when it is told to.
class SilentTransport final : public HttpTransport {
 public:
  std::unique_ptr<Response> Send(Request&, std::shared_ptr<BindingCertificate const> const&, Context const&) override {
    return nullptr;
  }
  void SendAsync(
      std::shared_ptr<Request>,
      std::shared_ptr<BindingCertificate const>,
      Context const&,
      Completion<std::unique_ptr<Response>> done) override {
    ++Count;
    unanswered_.push_back(std::move(done));
  }

  void AnswerAll() {
    while (!unanswered_.empty()) {
      auto const done = std::move(unanswered_.back());
      unanswered_.pop_back();
      auto answer = std::make_unique<Response>();
      answer->StatusCode = 204;
      answer->Body = std::make_unique<MemoryBody>("");
      done(std::move(answer));
    }
  }

  int Count = 0;

 private:
  std::vector<Completion<std::unique_ptr<Response>>> unanswered_;
};

/// Requests that keep their order wait for each other; in a child nobody ends those of its parent.
TEST(AttackForkTest, AChildDoesNotWaitForItsParentsRequestThatComesFirst) {
  auto const transport = std::make_shared<SilentTransport>();
  auto const sending = std::make_shared<Sending const>(Sending{
      HttpPipeline{std::vector<std::unique_ptr<HttpPolicy>>{}, transport}, std::chrono::seconds{30}, 1024, false, 1024,
      ""});
  SendingStage stage{sending, true};
  auto const send = [&] {
    web::http::http_request request{web::http::methods::GET};
    request.set_request_uri(web::uri{U("https://a.example/")});
    stage.propagate(std::move(request));
  };
  send();
  ASSERT_EQ(transport->Count, 1);
  send();
  EXPECT_EQ(transport->Count, 1);
  EXPECT_TRUE(test::InChild([&] {
    send();
    return transport->Count == 2;
  }));
  transport->AnswerAll();
  EXPECT_EQ(transport->Count, 2) << "the second one follows the first";
}

}  // namespace
}  // namespace mtlspop::cpprest
