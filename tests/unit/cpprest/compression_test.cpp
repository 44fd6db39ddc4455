#include "handler_test.hpp"

#include <cpprest/http_compression.h>

#include <algorithm>

#include "mtlspop/cpprest/http_exception.hpp"

namespace mtlspop::cpprest {
namespace {

namespace compression = web::http::compression;
using testing::HasSubstr;
using web::http::http_exception;
using web::http::http_request;
using web::http::methods;

class CompressionTest : public HandlerTest {
 protected:
  static http_client_config AskingForCompression() {
    http_client_config config;
    config.set_request_compressed_response(true);
    return config;
  }

  static std::string Gzip(std::string const& text) {
    auto const compressor = compression::builtin::make_compressor(U("gzip"));
    std::string packed(text.size() * 2 + 100, '\0');
    std::size_t used = 0;
    bool done = false;
    packed.resize(compressor->compress(
        reinterpret_cast<std::uint8_t const*>(text.data()), text.size(), reinterpret_cast<std::uint8_t*>(packed.data()),
        packed.size(), compression::operation_hint::is_last, used, done));
    return packed;
  }
};

TEST_F(CompressionTest, TakesCompressedAnswersWhereTheClientAsksForThem) {
  std::string const text(100'000, 'z');
  transport_->ThenAnswer(200, "Content-Encoding", "gzip", Gzip(text));
  auto client = MakeTestClient(AskingForCompression());
  EXPECT_EQ(client.request(methods::GET).get().extract_utf8string(true).get(), text);
  EXPECT_THAT(transport_->Sent()[0].Fields.Get("Accept-Encoding"), HasSubstr("gzip"));
}

TEST_F(CompressionTest, TellsTheReaderOfABrokenOne) {
  auto packed = Gzip(std::string(1'000, 'z'));
  // From the end of gzip's header on: a block of no known type (RFC 1951 section 3.2.3).
  std::fill(packed.begin() + 10, packed.end(), '\xff');
  transport_->ThenAnswer(200, "Content-Encoding", "gzip", packed);
  auto client = MakeTestClient(AskingForCompression());
  auto const response = client.request(methods::GET).get();
  EXPECT_THROW(response.extract_string(true).get(), std::exception);
}

TEST_F(CompressionTest, FailsWhereItIsPackedInAWayThatNobodyAskedFor) {
  transport_->ThenAnswer(200, "Content-Encoding", "unheard-of", "text");
  auto client = MakeTestClient(AskingForCompression());
  EXPECT_THROW(client.request(methods::GET).get(), http_exception);
}

TEST_F(CompressionTest, LeavesAnAnswerAsItIsWhereTheClientDoesNotAsk) {
  transport_->ThenAnswer(200, "Content-Encoding", "gzip", "as it came");
  auto client = MakeTestClient();
  EXPECT_EQ(client.request(methods::GET).get().extract_utf8string(true).get(), "as it came");
  EXPECT_FALSE(transport_->Sent()[0].Fields.Contains("Accept-Encoding"));
}

// A client of cpprestsdk would ask for compressed transfer then, which this transport does not do.
TEST_F(CompressionTest, RefusesARequestThatAsksForCompressedTransfer) {
  http_request request{methods::GET};
  request.set_decompress_factories({compression::builtin::get_decompress_factory(U("gzip"))});
  auto client = MakeTestClient();
  EXPECT_EQ(FailureOf(client.request(request)), std::errc::invalid_argument);
  EXPECT_TRUE(transport_->Sent().empty());

  auto asking = MakeTestClient(AskingForCompression());
  http_request again{methods::GET};
  again.set_decompress_factories({compression::builtin::get_decompress_factory(U("gzip"))});
  EXPECT_FALSE(FailureOf(asking.request(again)));
}

class AttackCompressionTest : public CompressionTest {
 protected:
  /// The whole text, or the code of the failure.
  std::string Fetch(std::string const& packed, std::size_t limit = DefaultBufferedBodyBytes) {
    transport_->ThenAnswer(200, "Content-Encoding", "gzip", packed);
    auto options = Options();
    options.BufferedBodyBytes = limit;
    auto client = MakeClient(U("https://a.example/base"), credential_, AskingForCompression(), std::move(options));
    auto const response = client.request(methods::GET).get();
    try {
      return response.extract_utf8string(true).get();
    } catch (HttpException const& error) {
      EXPECT_FALSE(error.Details().Action.empty());
      return std::string{error.Code().Name()};
    }
  }
};

/// RFC 1952 section 2.2: a gzip file is a series of members.
TEST_F(AttackCompressionTest, AllMembersOfAGzipFileAreRead) {
  EXPECT_EQ(Fetch(Gzip("one ") + Gzip("two ") + Gzip("three")), "one two three");
  std::string const large(100'000, 'z');
  EXPECT_EQ(Fetch(Gzip(large) + Gzip("") + Gzip(large)), large + large);
}

TEST_F(AttackCompressionTest, AShortAnswerIsNotTakenForAWholeOne) {
  std::string text;
  for (int number = 0; text.size() < 300; ++number) text += std::to_string(number * 7919);
  auto const packed = Gzip(text);
  for (std::size_t length = 1; length < packed.size(); ++length) {
    EXPECT_EQ(Fetch(packed.substr(0, length)), "malformed_response") << length;
  }
  EXPECT_EQ(Fetch(packed), text);
  EXPECT_EQ(Fetch(packed + packed.substr(0, packed.size() - 1)), "malformed_response");
  EXPECT_EQ(Fetch(packed + "no gzip"), "malformed_response");
  EXPECT_EQ(Fetch("no gzip"), "malformed_response");
  auto wrong = packed;
  wrong[wrong.size() - 5] = static_cast<char>(wrong[wrong.size() - 5] ^ 1);
  EXPECT_EQ(Fetch(wrong), "malformed_response") << "the checksum";
}

/// A small answer that would fill the memory, and one that is simply too large.
TEST_F(AttackCompressionTest, ABodyInMemoryHasALimit) {
  auto const packed = Gzip(std::string(1'000'000, 'z'));
  ASSERT_LT(packed.size(), 10'000U);
  EXPECT_EQ(Fetch(packed, 999'999), "buffered_body_limit_exceeded");
  EXPECT_EQ(Fetch(packed, 1'000'000).size(), 1'000'000U);
}

/// A body without end, as chunks can be.
class EndlessBody final : public BodyStream {
 public:
  std::size_t Read(gsl::span<std::uint8_t> buffer, Context const&) override {
    std::fill(buffer.begin(), buffer.end(), std::uint8_t{'z'});
    return buffer.size();
  }
};

TEST_F(AttackCompressionTest, ABodyInMemoryThatIsNotCompressedHasItToo) {
  constexpr std::size_t limit = 100'000;
  auto options = Options();
  options.BufferedBodyBytes = limit;
  auto client = MakeClient(U("https://a.example/base"), credential_, {}, std::move(options));
  auto const codeOf = [&](std::unique_ptr<BodyStream> body) {
    auto const given = std::make_shared<std::unique_ptr<BodyStream>>(std::move(body));
    transport_->Then([given](auto const&) {
      auto response = test::MakeResponse(200);
      response->Body = std::move(*given);
      return response;
    });
    try {
      return std::to_string(client.request(methods::GET).get().extract_string(true).get().size());
    } catch (HttpException const& error) {
      return std::string{error.Code().Name()};
    }
  };
  EXPECT_EQ(codeOf(std::make_unique<EndlessBody>()), "buffered_body_limit_exceeded");
  EXPECT_EQ(codeOf(std::make_unique<MemoryBody>(std::string(limit + 1, 'z'))), "buffered_body_limit_exceeded");
  EXPECT_EQ(codeOf(std::make_unique<MemoryBody>(std::string(limit, 'z'))), "100000");
}

}  // namespace
}  // namespace mtlspop::cpprest
