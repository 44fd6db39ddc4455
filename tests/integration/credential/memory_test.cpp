// The whole road where memory is short: metadata service, token service, and a resource through the pipeline. In this program
// every so-manieth allocation fails, OpenSSL's too.
//
// ctest tries some 450 of the distances from 1 to 20,000. All of them: MTLSPOP_TEST_EVERY_ALLOCATION=1.

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
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
#include "mtlspop/policies/client.hpp"
#include "mtlspop/transport/out_of_memory.hpp"
#include "support/event.hpp"
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

/// What an asynchronous call ends with. Nothing is allocated where that is told.
template <typename Value>
class End final {
 public:
  Completion<Value> Done() {
    return [this](Outcome<Value> outcome) {
      failure_ = outcome.Failure();
      if (!failure_) value_.emplace(std::move(outcome).Take());
      told_.Set();
    };
  }

  /// Where nobody is told, this process is not worth going on with.
  Value Take() {
    if (!told_.Wait(std::chrono::minutes{1})) std::abort();
    if (failure_) std::rethrow_exception(failure_);
    return *std::move(value_);
  }

 private:
  Event told_;
  std::optional<Value> value_;
  std::exception_ptr failure_;
};

/// "" where `call` throws nothing, else the code of the error that it ends with and its causes.
template <typename Call>
std::string FailureOf(Call call) {
  auto const stop = gsl::finally([] { failEvery = 0; });
  try {
    call();
    return {};
  } catch (Error const& error) {
    failEvery = 0;
    return error.Code() == errors::SystemFailure ? "system_failure" : DescribeWithCauses(error);
  } catch (std::exception const& exception) {
    failEvery = 0;
    return std::string{"no error of this library: "} + exception.what();
  }
}

/// An application with everything of its own, so that nothing is cached or pooled.
class Road final {
 public:
  Road(Emulator const& emulator, Key const& key)
      : transport_(MakeHttpTransport(emulator.MakeTransportOptions())),
        credential_(MakeCredential(emulator, std::make_shared<CopyOfKey>(key))),
        pipeline_(MakeBoundPipeline(credential_, transport_, PipelineOptions())),
        client_(credential_, MakeClientOptions(transport_)),
        url_(Url::Parse(
            "https://" + emulator.Startup().at("vault_host").get<std::string>() +
            "/secrets/boundsecret?api-version=7.4")) {}

  /// "200", another status, or the code of the error that the call ends with and its causes.
  std::string Go(std::uint64_t failing = 0) {
    PipelineRequest request{{"GET", url_}};
    std::array<std::uint8_t, 1024> buffer{};
    auto const context = Patience();
    return Under(failing, [&] {
      auto const response = pipeline_.Send(request, context);
      while (response->Body->Read(buffer, context) != 0) continue;
      return response->StatusCode;
    });
  }

  /// The same without a thread that waits. A call may refuse to begin: with `std::bad_alloc`, too.
  std::string GoAsynchronously(std::uint64_t failing = 0) {
    auto request = std::make_shared<PipelineRequest>(PipelineRequest{{"GET", url_}, nullptr});
    std::array<std::uint8_t, 1024> buffer{};
    auto const context = Patience();
    return Under(failing, [&] {
      End<std::unique_ptr<Response>> sent;
      OrOutOfMemory([&] { pipeline_.SendAsync(std::move(request), context, sent.Done()); });
      auto const response = sent.Take();
      for (std::size_t count = 1; count != 0;) {
        End<std::size_t> read;
        OrOutOfMemory([&] { response->Body->ReadAsync(buffer, context, read.Done()); });
        count = read.Take();
      }
      return response->StatusCode;
    });
  }

  /// The same by the client for those who want no pipeline.
  std::string GoAsClient(std::uint64_t failing = 0) {
    auto const context = Patience();
    Request request{"GET", url_};
    return Under(failing, [&] {
      End<ClientAnswer> sent;
      OrOutOfMemory([&] { client_.SendAsync(std::move(request), context, sent.Done()); });
      return sent.Take().Status;
    });
  }

  HttpTransport& Transport() const noexcept { return *transport_; }
  Url const& Target() const noexcept { return url_; }

 private:
  static Context Patience() { return Context{}.WithTimeout(std::chrono::seconds{30}); }
  /// What `call` comes to where every `failing`-th allocation of it fails; none for 0.
  template <typename Call>
  static std::string Under(std::uint64_t failing, Call call) {
    int status = 0;
    allocations = 0;
    failEvery = failing;
    auto const failure = FailureOf([&] { status = call(); });
    return failure.empty() ? std::to_string(status) : failure;
  }
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

  static ClientOptions MakeClientOptions(std::shared_ptr<HttpTransport> transport) {
    ClientOptions options;
    options.Transport = std::move(transport);
    options.Time = std::make_shared<Impatient>();
    return options;
  }

  std::shared_ptr<HttpTransport> transport_;
  std::shared_ptr<TokenCredential> credential_;
  HttpPipeline pipeline_;
  Client client_;
  Url url_;
};

std::uint64_t Next(std::uint64_t every) {
  bool const all = std::getenv("MTLSPOP_TEST_EVERY_ALLOCATION") != nullptr;
  return every + (all || every < 150 ? 1 : every / 60);
}

/// But for those that reactors wait with: another one begins when the others are busy, and stays.
std::ptrdiff_t OpenDescriptors() {
  std::filesystem::directory_iterator const all{"/proc/self/fd"};
  return std::count_if(begin(all), end(all), [](auto const& each) {
    std::error_code isGone;
    return std::filesystem::read_symlink(each, isGone).string().rfind("anon_inode:", 0) != 0;
  });
}

/// A failed allocation costs its request, with an error that says so, and nothing else. OpenSSL hides some: a chain that is
/// looked at five times and fails at the same place each time, or a signature in TLS (docs/threat-model.md). Those are few.
template <typename Way>
void TryManyDistances(Way way) {
  ASSERT_EQ(failingIsInstalled, 1);
  Emulator const emulator;
  auto const key = MakeKey();
  Road first{emulator, key};
  ASSERT_EQ(way(first, 0), "200");
  auto const descriptors = OpenDescriptors();
  int failed = 0;
  int tried = 0;
  std::vector<std::string> toldOtherwise;
  for (std::uint64_t every = 1; every <= Farthest; every = Next(every)) {
    Road road{emulator, key};
    auto const why = way(road, every);
    ++tried;
    failed += why == "200" ? 0 : 1;
    if (why != "200" && why != "system_failure") toldOtherwise.push_back(std::to_string(every) + ": " + why);
    if (tried % 10 == 0) {
      EXPECT_EQ(way(road, 0), "200") << "the next request of the same application, after " << every;
    }
  }
  EXPECT_GT(failed, 100);
  EXPECT_LT(failed, tried) << "some get through";
  EXPECT_LE(toldOtherwise.size(), static_cast<std::size_t>(tried) / 100) << testing::PrintToString(toldOtherwise);
  // The last road ends on the threads that its last operations ran on.
  EXPECT_TRUE(Eventually([&] { return OpenDescriptors() <= descriptors; })) << "some are left open";
  testing::Test::RecordProperty("tried", tried);
  testing::Test::RecordProperty("failed", failed);
  testing::Test::RecordProperty("told_otherwise", testing::PrintToString(toldOtherwise));
}

TEST(AttackMemoryOfTheRoad, AFailedAllocationCostsItsRequestAndNothingElse) {
  TryManyDistances([](Road& road, std::uint64_t failing) { return road.Go(failing); });
}

TEST(AttackMemoryOfTheRoad, AFailedAllocationCostsItsAsynchronousRequestAndNothingElse) {
  TryManyDistances([](Road& road, std::uint64_t failing) {
    return failing % 3 == 0 ? road.GoAsClient(failing) : road.GoAsynchronously(failing);
  });
}

/// Once a request is under way nothing at all can be allocated: it fails, or is there, and in any case somebody is told.
TEST(AttackMemoryOfTheRoad, WhatHasBegunIsToldWithoutMemory) {
  Emulator const emulator;
  Road road{emulator, MakeKey()};
  for (int round = 0; round < 200; ++round) {
    auto request = std::make_shared<Request>("GET", road.Target());
    auto const context = Context{}.WithTimeout(std::chrono::seconds{30}).WithCancellation();
    End<std::unique_ptr<Response>> sent;
    std::unique_ptr<Response> response;
    auto const failure = FailureOf([&] {
      road.Transport().SendAsync(std::move(request), nullptr, context, sent.Done());
      // Sooner or later.
      if (round % 4 == 1) std::this_thread::yield();
      failEvery = 1;
      if (round % 2 == 0) context.Cancel();
      response = sent.Take();
    });
    EXPECT_THAT(
        failure,
        testing::AnyOf(
            "", "system_failure", testing::StartsWith("cancelled"), testing::HasSubstr("cancelled by the caller")));
    if (!response) continue;
    std::array<std::uint8_t, 64> buffer{};
    End<std::size_t> read;
    auto const failureOfReading = FailureOf([&] {
      response->Body->ReadAsync(buffer, {}, read.Done());
      failEvery = 1;
      read.Take();
    });
    EXPECT_THAT(failureOfReading, testing::AnyOf("", "system_failure"));
  }
  EXPECT_EQ(road.Go(), "200");
}

}  // namespace
}  // namespace mtlspop::test
