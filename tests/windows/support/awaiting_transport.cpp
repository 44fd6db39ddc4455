#include "awaiting_transport.hpp"

#include <atomic>
#include <future>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

namespace mtlspop::windows_tests {
namespace {

/// What `start` ends with, which must be told once, and not on this thread's stack.
template <typename Value, typename Start>
Value Await(Start const& start) {
  auto const told = std::make_shared<std::promise<Outcome<Value>>>();
  auto const starter = std::this_thread::get_id();
  start([told, starter](Outcome<Value> outcome) {
    EXPECT_NE(std::this_thread::get_id(), starter);
    told->set_value(std::move(outcome));
  });
  return told->get_future().get().Take();
}

class AwaitedBody final : public BodyStream {
 public:
  explicit AwaitedBody(std::unique_ptr<BodyStream> inner) : inner_(std::move(inner)) {}
  std::size_t Read(gsl::span<std::uint8_t> buffer, Context const& context) override {
    return Await<std::size_t>(
        [&](Completion<std::size_t> done) { inner_->ReadAsync(buffer, context, std::move(done)); });
  }
  std::optional<std::uint64_t> Length() const noexcept override { return inner_->Length(); }

 private:
  std::unique_ptr<BodyStream> inner_;
};

class Awaiting final : public HttpTransport {
 public:
  explicit Awaiting(std::shared_ptr<HttpTransport> inner) : inner_(std::move(inner)) {}

  std::unique_ptr<Response> Send(
      Request& request, std::shared_ptr<BindingCertificate const> const& binding, Context const& context) override {
    auto response = Await<std::unique_ptr<Response>>([&](Completion<std::unique_ptr<Response>> done) {
      inner_->SendAsync({std::shared_ptr<void>{}, &request}, binding, context, std::move(done));
    });
    response->Body = std::make_unique<AwaitedBody>(std::move(response->Body));
    return response;
  }
  void DropConnections(std::string_view x5tS256) noexcept override { inner_->DropConnections(x5tS256); }
  mtlspop::PoolStatistics PoolStatistics() const override { return inner_->PoolStatistics(); }

 private:
  std::shared_ptr<HttpTransport> inner_;
};

}  // namespace

std::shared_ptr<HttpTransport> AwaitingTransport(std::shared_ptr<HttpTransport> inner) {
  return std::make_shared<Awaiting>(std::move(inner));
}

}  // namespace mtlspop::windows_tests
