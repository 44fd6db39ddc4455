#pragma once

/// @file
/// A client whose requests end in a scripted transport.

// Before cpprestsdk, whose macro U is a name that GoogleTest uses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cpprest/http_client.h>

#include <algorithm>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "fakes.hpp"
#include "mtlspop/cpprest/handler.hpp"
#include "support/event.hpp"

namespace mtlspop::cpprest {

/// A body that gives out `text` when it is let, or fails.
class GatedBody final : public BodyStream {
 public:
  explicit GatedBody(std::shared_ptr<test::Event> gate, std::string text = "late")
      : gate_(std::move(gate)), text_(std::move(text)) {}

  std::size_t Read(gsl::span<std::uint8_t> buffer, Context const& context) override {
    auto const pause = test::Eventually([&] {
      context.ThrowIfEnded("reading");
      return gate_->IsSet();
    });
    EXPECT_TRUE(pause);
    if (text_ == "fail") throw Error{{errors::ConnectionLost, "the connection was lost", "try again"}};
    auto const count = std::min(buffer.size(), text_.size() - position_);
    std::copy_n(text_.begin() + static_cast<std::ptrdiff_t>(position_), count, buffer.begin());
    position_ += count;
    return count;
  }

 private:
  std::shared_ptr<test::Event> gate_;
  std::string text_;
  std::size_t position_ = 0;
};

class HandlerTest : public testing::Test {
 protected:
  using http_client = web::http::client::http_client;
  using http_client_config = web::http::client::http_client_config;

  HandlerOptions Options(http_client_config config = {}) {
    HandlerOptions options;
    options.Transport = transport_;
    options.Scopes = {"https://a.example/.default"};
    options.Retry.InitialDelay = std::chrono::milliseconds{0};
    options.Config = std::move(config);
    return options;
  }

  http_client MakeTestClient(http_client_config config = {}) {
    return MakeClient(U("https://a.example/base"), credential_, config, Options());
  }

  static std::error_code FailureOf(pplx::task<web::http::http_response> const& task) {
    try {
      task.get();
    } catch (web::http::http_exception const& error) {
      return error.error_code();
    }
    return {};
  }

  std::shared_ptr<test::ScriptedTransport> transport_ = std::make_shared<test::ScriptedTransport>();
  std::shared_ptr<test::FakeCredential> credential_ = std::make_shared<test::FakeCredential>();
};

}  // namespace mtlspop::cpprest
