// The whole road where memory is short: metadata service, token service, and a resource through the pipeline. In this program
// every so-manieth allocation fails, OpenSSL's too.
//
// ctest tries some 450 of the distances from 1 to 20,000. All of them: MTLSPOP_TEST_EVERY_ALLOCATION=1.

#include <array>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <gsl/util>

#include "emulator.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/credential/openssl.hpp"
#include "mtlspop/policies/bound_pipeline.hpp"
#include "support/failing_allocations.hpp"

namespace mtlspop::test {
namespace {

/// 0 for no failure.
std::atomic<std::uint64_t> failEvery{0};
std::atomic<std::uint64_t> allocations{0};

}  // namespace

bool Fails() noexcept {
  auto const every = failEvery.load();
  return every != 0 && ++allocations % every == 0;
}

namespace {

constexpr std::uint64_t Farthest = 20'000;

using Key = std::shared_ptr<EVP_PKEY>;

Key MakeKey() { return {EVP_RSA_gen(2048), EVP_PKEY_free}; }

/// The numbers of a key, since making one takes a tenth of a second, in an object of its own.
class CopyOfKey final : public KeyProvider {
 public:
  explicit CopyOfKey(Key const& key) : key_(EVP_PKEY_dup(key.get()), EVP_PKEY_free) {}
  KeyStrength HighestStrength() const noexcept override { return KeyStrength::Software; }
  gsl::not_null<std::shared_ptr<BindingKey const>> GetOrCreateKey(KeyRequest const&, Context const&) override {
    return openssl::WrapBindingKey(gsl::make_not_null(key_.get()), KeyStrength::Software);
  }

 private:
  Key const key_;
};

/// Nobody waits between two attempts.
class Impatient final : public Clock {
 public:
  SystemTime Now() const override { return std::chrono::system_clock::now(); }
  SteadyTime SteadyNow() const override { return std::chrono::steady_clock::now(); }
  void Sleep(std::chrono::nanoseconds, Context const& context) override { context.ThrowIfEnded("sleep"); }
};

/// An application with everything of its own, so that nothing is cached or pooled.
class Road final {
 public:
  Road(Emulator const& emulator, Key const& key)
      : transport_(MakeHttpTransport(emulator.MakeTransportOptions())),
        pipeline_(MakeBoundPipeline(
            MakeCredential(emulator, std::make_shared<CopyOfKey>(key)), transport_, PipelineOptions())),
        url_(Url::Parse(
            "https://" + emulator.Startup().at("vault_host").get<std::string>() +
            "/secrets/boundsecret?api-version=7.4")) {}

  /// "200", another status, or the code of the error that the call ends with and its causes.
  std::string Go(std::uint64_t failing = 0) {
    PipelineRequest request{{"GET", url_}};
    std::array<std::uint8_t, 1024> buffer{};
    auto const context = Context{}.WithTimeout(std::chrono::seconds{30});
    int status = 0;
    allocations = 0;
    failEvery = failing;
    auto const stop = gsl::finally([] { failEvery = 0; });
    try {
      auto const response = pipeline_.Send(request, context);
      while (response->Body->Read(buffer, context) != 0) continue;
      status = response->StatusCode;
    } catch (Error const& error) {
      failEvery = 0;
      return error.Code() == errors::SystemFailure ? "system_failure" : DescribeWithCauses(error);
    } catch (std::exception const& exception) {
      failEvery = 0;
      return std::string{"no error of this library: "} + exception.what();
    }
    failEvery = 0;
    return std::to_string(status);
  }

 private:
  static std::shared_ptr<TokenCredential> MakeOf(ManagedIdentityCredentialOptions options) {
    return std::make_shared<ManagedIdentityCredential>(std::move(options));
  }
  std::shared_ptr<TokenCredential> MakeCredential(Emulator const& emulator, std::shared_ptr<KeyProvider> keys) const {
    auto options = emulator.CredentialOptions();
    options.Transport = transport_;
    options.Keys = std::move(keys);
    options.Time = std::make_shared<Impatient>();
    options.Observer = {};
    return MakeOf(std::move(options));
  }
  static BoundPipelineOptions PipelineOptions() {
    BoundPipelineOptions options;
    options.Time = std::make_shared<Impatient>();
    return options;
  }

  std::shared_ptr<HttpTransport> transport_;
  HttpPipeline pipeline_;
  Url url_;
};

std::uint64_t Next(std::uint64_t every) {
  bool const all = std::getenv("MTLSPOP_TEST_EVERY_ALLOCATION") != nullptr;
  return every + (all || every < 150 ? 1 : every / 60);
}

std::ptrdiff_t OpenDescriptors() {
  return std::distance(std::filesystem::directory_iterator{"/proc/self/fd"}, std::filesystem::directory_iterator{});
}

/// A failed allocation costs its request, with an error that says so, and nothing else. OpenSSL hides some: a chain that is
/// looked at five times and fails at the same place each time, or a signature in TLS (docs/threat-model.md). Those are few.
TEST(AttackMemoryOfTheRoad, AFailedAllocationCostsItsRequestAndNothingElse) {
  ASSERT_EQ(failingIsInstalled, 1);
  Emulator const emulator;
  auto const key = MakeKey();
  ASSERT_EQ(Road(emulator, key).Go(), "200");
  auto const descriptors = OpenDescriptors();
  int failed = 0;
  int tried = 0;
  std::vector<std::string> toldOtherwise;
  for (std::uint64_t every = 1; every <= Farthest; every = Next(every)) {
    Road road{emulator, key};
    auto const why = road.Go(every);
    ++tried;
    failed += why == "200" ? 0 : 1;
    if (why != "200" && why != "system_failure") toldOtherwise.push_back(std::to_string(every) + ": " + why);
    if (tried % 10 == 0) {
      EXPECT_EQ(road.Go(), "200") << "the next request of the same application, after " << every;
    }
  }
  EXPECT_GT(failed, 100);
  EXPECT_LT(failed, tried) << "some get through";
  EXPECT_LE(toldOtherwise.size(), static_cast<std::size_t>(tried) / 100) << testing::PrintToString(toldOtherwise);
  EXPECT_EQ(OpenDescriptors(), descriptors);
  RecordProperty("tried", tried);
  RecordProperty("failed", failed);
  RecordProperty("told_otherwise", testing::PrintToString(toldOtherwise));
}

}  // namespace
}  // namespace mtlspop::test
