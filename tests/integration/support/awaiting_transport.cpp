#include "support/awaiting_transport.hpp"

#include <thread>
#include <utility>

#include <gtest/gtest.h>

#include "support/told.hpp"

namespace mtlspop::test {
namespace {

/// Calls `begin` with a completion, and returns what that is told, or throws it. It must be told elsewhere than on the stack
/// of whoever begins, which waits.
template <typename Value, typename Begin>
Value Await(Begin&& begin) {
  Told<Value> const told;
  begin(told.Done());
  auto outcome = OutcomeOf([&] { return told.Wait(); });
  EXPECT_NE(told.Thread(), std::this_thread::get_id());
  return std::move(outcome).Take();
}

class AwaitingBody final : public BodyStream {
 public:
  explicit AwaitingBody(std::unique_ptr<BodyStream> inner) : inner_(std::move(inner)) {}

  std::size_t Read(gsl::span<std::uint8_t> buffer, Context const& context) override {
    return Await<std::size_t>(
        [&](Completion<std::size_t> done) { inner_->ReadAsync(buffer, context, std::move(done)); });
  }
  std::optional<std::uint64_t> Length() const noexcept override { return inner_->Length(); }
  bool TryRewind() override { return inner_->TryRewind(); }

 private:
  std::unique_ptr<BodyStream> inner_;
};

class AwaitingTransport final : public HttpTransport {
 public:
  explicit AwaitingTransport(std::shared_ptr<HttpTransport> inner) : inner_(std::move(inner)) {}

  std::unique_ptr<Response> Send(
      Request& request, std::shared_ptr<BindingCertificate const> const& binding, Context const& context) override {
    std::shared_ptr<Request> const borrowed{&request, [](Request*) {}};
    auto response = Await<std::unique_ptr<Response>>([&](Completion<std::unique_ptr<Response>> done) {
      inner_->SendAsync(borrowed, binding, context, std::move(done));
    });
    response->Body = std::make_unique<AwaitingBody>(std::move(response->Body));
    return response;
  }

  void DropConnections(std::string_view x5tS256) noexcept override { inner_->DropConnections(x5tS256); }
  mtlspop::PoolStatistics PoolStatistics() const override { return inner_->PoolStatistics(); }

 private:
  std::shared_ptr<HttpTransport> inner_;
};

}  // namespace

std::shared_ptr<HttpTransport> AwaitAsynchronous(std::shared_ptr<HttpTransport> transport) {
  return std::make_shared<AwaitingTransport>(std::move(transport));
}

}  // namespace mtlspop::test
