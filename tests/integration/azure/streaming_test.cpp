#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <azure/core/io/body_stream.hpp>

#include <algorithm>
#include <functional>
#include <stdexcept>
#include <utility>

#include "azure/azure_fixture.hpp"
#include "support/event.hpp"

namespace mtlspop::test {
namespace {

using Azure::Core::Http::HttpMethod;
using Azure::Core::Http::HttpStatusCode;
using Azure::Core::Http::RawResponse;
using AzureRequest = Azure::Core::Http::Request;

/// Made while it is read, so that nothing holds it whole.
class GeneratedBody final : public Azure::Core::IO::BodyStream {
 public:
  GeneratedBody(std::int64_t size, bool isLengthKnown) : size_(size), left_(size), isLengthKnown_(isLengthKnown) {}
  std::int64_t Length() const override { return isLengthKnown_ ? size_ : -1; }
  void Rewind() override { left_ = size_; }

  std::function<void()> OnHalf;
  std::size_t LargestPiece = 0;

 private:
  std::size_t OnRead(std::uint8_t* buffer, std::size_t count, Azure::Core::Context const&) override {
    LargestPiece = std::max(LargestPiece, count);
    auto const given = std::min(static_cast<std::int64_t>(count), left_);
    std::fill_n(buffer, given, std::uint8_t{'x'});
    left_ -= given;
    if (OnHalf && left_ < size_ / 2) OnHalf();
    return static_cast<std::size_t>(given);
  }

  std::int64_t size_;
  std::int64_t left_;
  bool isLengthKnown_;
};

class AzureStreaming : public AzureAgainstEmulator {
 protected:
  static constexpr std::int64_t UploadSize = 4 * 1024 * 1024;
  static constexpr std::int64_t DownloadSize = 3'000'000;

  Pipeline MakeBlobPipeline(int retries = 3) const {
    auto const credential = MakeCredential();
    Azure::Core::_internal::ClientOptions options;
    options.Retry.RetryDelay = std::chrono::milliseconds{1};
    options.Retry.MaxRetries = retries;
    azure::UseTokenBinding(options, credential);
    return MakePipeline(credential, StorageScope, options);
  }

  std::unique_ptr<RawResponse> Upload(GeneratedBody& body) const {
    AzureRequest request{HttpMethod::Put, Azure::Core::Url{BlobUrl() + "/discard/long"}, &body};
    return MakeBlobPipeline().Send(request, {});
  }

  std::unique_ptr<Azure::Core::IO::BodyStream> Download(Pipeline const& pipeline) const {
    AzureRequest request{HttpMethod::Get, Azure::Core::Url{BlobUrl() + "/generated/3000000"}, false};
    auto const response = pipeline.Send(request, {});
    EXPECT_EQ(response->GetStatusCode(), HttpStatusCode::Ok);
    return response->ExtractBodyStream();
  }

  bool NothingIsInUse() const {
    return Eventually([this] { return emulator_.Transport()->PoolStatistics().InUse == 0; });
  }
};

TEST_F(AzureStreaming, SendsALongBodyThroughTheRenegotiation) {
  GeneratedBody body{UploadSize, true};
  auto const response = Upload(body);
  EXPECT_EQ(response->GetStatusCode(), HttpStatusCode::Created);
  EXPECT_EQ(response->GetHeaders().at("x-emulator-body-size"), std::to_string(UploadSize));
  EXPECT_LE(body.LargestPiece, 1024U * 1024U);
}

TEST_F(AzureStreaming, SendsABodyOfUnknownLength) {
  GeneratedBody body{UploadSize, false};
  auto const response = Upload(body);
  EXPECT_EQ(response->GetStatusCode(), HttpStatusCode::Created);
  EXPECT_EQ(response->GetHeaders().at("x-emulator-body-size"), std::to_string(UploadSize));
}

/// Correct or not, it is the application's: nobody tries it again, and nobody waits.
class AttackAzureBody : public AzureStreaming {};

TEST_F(AttackAzureBody, ShorterThanItsLengthIsSaidAtOnce) {
  class ShortBody final : public Azure::Core::IO::BodyStream {
   public:
    std::int64_t Length() const override { return UploadSize; }
    void Rewind() override { left_ = true; }
    int Reads = 0;

   private:
    std::size_t OnRead(std::uint8_t* buffer, std::size_t count, Azure::Core::Context const&) override {
      ++Reads;
      if (!std::exchange(left_, false)) return 0;
      std::fill_n(buffer, count, std::uint8_t{'x'});
      return count;
    }
    bool left_ = true;
  } body;
  AzureRequest request{HttpMethod::Put, Azure::Core::Url{BlobUrl() + "/discard/short"}, &body};
  auto const pipeline = MakeBlobPipeline();
  try {
    pipeline.Send(request, {});
    FAIL();
  } catch (Azure::Core::Http::TransportException const& error) {
    FAIL() << "Azure tries such a one again: " << error.what();
  } catch (Azure::Core::RequestFailedException const& error) {
    EXPECT_EQ(error.ErrorCode, "request_body_failed");
    // The transports' own words.
    EXPECT_THAT(
        error.what(),
        testing::AnyOf(
            testing::HasSubstr("fewer bytes than its length says"), testing::HasSubstr("another length than it says")));
  }
  EXPECT_EQ(body.Reads, 2);
  EXPECT_TRUE(NothingIsInUse());
}

TEST_F(AttackAzureBody, ThatThrowsIsHandedOnAtOnce) {
  GeneratedBody body{UploadSize, true};
  int thrown = 0;
  body.OnHalf = [&thrown] {
    ++thrown;
    throw std::domain_error("the disk is gone");
  };
  EXPECT_THROW(Upload(body), std::domain_error);
  EXPECT_EQ(thrown, 1);
  EXPECT_TRUE(NothingIsInUse());
}

TEST_F(AzureStreaming, IsCancelledInTheMiddleOfAnUpload) {
  auto const pipeline = MakeBlobPipeline(0);
  Azure::Core::Context context;
  GeneratedBody body{UploadSize, true};
  body.OnHalf = [&context] { context.Cancel(); };
  AzureRequest request{HttpMethod::Put, Azure::Core::Url{BlobUrl() + "/discard/long"}, &body};
  EXPECT_THROW(pipeline.Send(request, context), Azure::Core::OperationCancelledException);
  EXPECT_TRUE(NothingIsInUse());
}

TEST_F(AzureStreaming, ReadsALongAnswerInPieces) {
  auto const body = Download(MakeBlobPipeline());
  EXPECT_EQ(body->Length(), DownloadSize);
  std::vector<std::uint8_t> piece(10'000);
  std::int64_t total = 0;
  for (std::size_t count = 1; count != 0;) {
    count = body->Read(piece.data(), piece.size(), {});
    EXPECT_LE(count, piece.size());
    total += static_cast<std::int64_t>(count);
  }
  EXPECT_EQ(total, DownloadSize);
}

TEST_F(AzureStreaming, BuffersNoMoreThanIsAllowed) {
  auto options = CredentialOptions();
  options.Limits.BufferedBodyBytes = 1'000'000;
  auto const credential = std::make_shared<azure::BoundTokenCredential>(options);
  Azure::Core::_internal::ClientOptions clientOptions;
  azure::UseTokenBinding(clientOptions, credential);
  auto const pipeline = MakePipeline(credential, StorageScope, clientOptions);
  AzureRequest request{HttpMethod::Get, Azure::Core::Url{BlobUrl() + "/generated/3000000"}};
  try {
    pipeline.Send(request, {});
    FAIL();
  } catch (Azure::Core::RequestFailedException const& error) {
    EXPECT_EQ(error.ErrorCode, "buffered_body_limit_exceeded");
  }
  EXPECT_EQ(Download(pipeline)->ReadToEnd().size(), static_cast<std::size_t>(DownloadSize));
  EXPECT_TRUE(NothingIsInUse());
}

TEST_F(AzureStreaming, GivesTheConnectionBackAfterALongAnswer) {
  auto const pipeline = MakeBlobPipeline();
  EXPECT_EQ(Download(pipeline)->ReadToEnd().size(), static_cast<std::size_t>(DownloadSize));
  auto const opened = emulator_.Transport()->PoolStatistics().Opened;
  EXPECT_EQ(Download(pipeline)->ReadToEnd().size(), static_cast<std::size_t>(DownloadSize));
  EXPECT_EQ(emulator_.Transport()->PoolStatistics().Opened, opened);
}

TEST_F(AzureStreaming, IsCancelledInTheMiddleOfAnAnswer) {
  auto body = Download(MakeBlobPipeline());
  std::vector<std::uint8_t> piece(1'000'000);
  body->ReadToCount(piece.data(), piece.size(), {});
  Azure::Core::Context context;
  context.Cancel();
  EXPECT_THROW(body->Read(piece.data(), piece.size(), context), Azure::Core::OperationCancelledException);
  body = nullptr;
  EXPECT_TRUE(NothingIsInUse());
}

TEST_F(AzureStreaming, ClosesTheConnectionOfAnAnswerThatNobodyReadsToItsEnd) {
  auto const pipeline = MakeBlobPipeline();
  {
    auto const body = Download(pipeline);
    std::vector<std::uint8_t> piece(1'000'000);
    body->ReadToCount(piece.data(), piece.size(), {});
    EXPECT_EQ(emulator_.Transport()->PoolStatistics().InUse, 1U);
  }
  EXPECT_TRUE(NothingIsInUse());
  EXPECT_EQ(Download(pipeline)->ReadToEnd().size(), static_cast<std::size_t>(DownloadSize));
}

}  // namespace
}  // namespace mtlspop::test
