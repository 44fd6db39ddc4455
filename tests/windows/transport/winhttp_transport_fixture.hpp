#pragma once

/// @file
/// A transport over a WinHTTP that answers as a test says, used in both ways.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_winhttp.hpp"
#include "schannel/async_request.hpp"
#include "schannel/http_transport.hpp"
#include "support/awaiting_transport.hpp"
#include "test_certificates.hpp"

namespace mtlspop::windows_tests {

/// Each test is run over both ways: on a thread that waits, and on none.
enum class Way { Blocking, Asynchronous };

class WinHttpTransportTest : public testing::TestWithParam<Way> {
 protected:
  ~WinHttpTransportTest() override {
    transport_.reset();
    EXPECT_EQ(http_->OpenHandles(), 0U) << "handles are left behind";
  }

  HttpTransport& Transport() {
    if (!transport_) {
      transport_ = schannel::MakeWinHttpTransport(options_, http_).get();
      if (GetParam() == Way::Asynchronous) transport_ = test::AwaitAsynchronous(transport_);
    }
    return *transport_;
  }

  std::unique_ptr<Response> Send(
      std::string const& url,
      std::shared_ptr<BindingCertificate const> const& binding = nullptr,
      Context const& context = {}) {
    Request request{"GET", Url::Parse(url)};
    return Transport().Send(request, binding, context);
  }

  ErrorDetails FailureOf(Request& request, std::shared_ptr<BindingCertificate const> const& binding = nullptr) {
    try {
      Transport().Send(request, binding, {});
    } catch (Error const& error) {
      return error.Details();
    }
    ADD_FAILURE() << "the request was answered";
    return ErrorDetails{ErrorCode{"none"}, {}, {}};
  }

  ErrorDetails FailureOf(std::string const& url, std::shared_ptr<BindingCertificate const> const& binding = nullptr) {
    Request request{"GET", Url::Parse(url)};
    return FailureOf(request, binding);
  }

  std::shared_ptr<testing::NiceMock<FakeWinHttp>> http_ = std::make_shared<testing::NiceMock<FakeWinHttp>>();
  TransportOptions options_ = [] {
    TransportOptions options;
    options.Proxy.UseEnvironment = false;
    return options;
  }();
  std::shared_ptr<HttpTransport> transport_;
};

/// A body that does not know its length.
class UnknownLength final : public BodyStream {
 public:
  explicit UnknownLength(std::vector<std::string> pieces) : pieces_(std::move(pieces)) {}
  std::size_t Read(gsl::span<std::uint8_t> buffer, Context const&) override {
    if (next_ == pieces_.size()) {
      return 0;
    }
    auto const& piece = pieces_[next_++];
    std::copy(piece.begin(), piece.end(), buffer.begin());
    return piece.size();
  }

 private:
  std::vector<std::string> pieces_;
  std::size_t next_ = 0;
};

inline std::string NameOf(testing::TestParamInfo<Way> const& way) {
  return way.param == Way::Blocking ? "Blocking" : "Asynchronous";
}

}  // namespace mtlspop::windows_tests
