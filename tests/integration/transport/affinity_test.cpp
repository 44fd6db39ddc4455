// Architecture, rule 1: a bound request can only ever travel on a connection made for its own certificate.

#include <gmock/gmock.h>

#include <atomic>
#include <random>
#include <thread>

#include "transport_test.hpp"

namespace mtlspop::test {
namespace {

constexpr char const* ExpectedKeyField = "X-Expected-Key";

/// Compares what a request says of its certificate with the certificate on its connection.
ScriptedServer::Script CheckAffinity(std::atomic<int>& mismatches) {
  return [&mismatches](ScriptedConnection& connection) {
    while (auto const request = connection.TryReadRequest()) {
      auto const expected = request->Get(ExpectedKeyField);
      if (!expected.empty() && connection.Facts().X5tS256.empty()) connection.AskForCertificate();
      auto const presented = connection.Facts().X5tS256;
      if (presented != expected) ++mismatches;
      connection.Answer(200, presented);
    }
  };
}

struct Place {
  std::string Name;
  int Version;
  AskInHandshake Ask;
};

void PrintTo(Place const& place, std::ostream* out) { *out << place.Name; }

class AffinityTest : public testing::TestWithParam<Place> {};

/// Eight bindings and none, sixteen threads, two origins, a pool so small that it evicts all the time, connections dropped
/// under way.
TEST_P(AffinityTest, HoldsUnderFire) {
  constexpr int Threads = 16;
  constexpr int Rounds = Slowness > 1 ? 15 : 40;
  std::atomic<int> mismatches{0};
  auto serverOptions = TlsServer(GetParam().Version, GetParam().Version);
  serverOptions.Tls->Ask = GetParam().Ask;
  ScriptedServer first{serverOptions, CheckAffinity(mismatches)};
  ScriptedServer second{serverOptions, CheckAffinity(mismatches)};

  auto options = AllowTls13(AllowTls13(TrustingOptions(), first.Url()), second.Url());
  options.Pool.MaximumPerOrigin = 2;
  options.Pool.MaximumTotal = 12;
  auto const transport = MakeTransport(options);
  std::vector<Binding> bindings{nullptr};
  for (int index = 0; index < 8; ++index) bindings.push_back(NewBinding("app" + std::to_string(index)));

  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  threads.reserve(Threads);
  for (int index = 0; index < Threads; ++index) {
    threads.emplace_back([&, index] {
      std::mt19937 random{static_cast<unsigned>(index)};
      auto const pick = [&random](std::size_t count) {
        return std::uniform_int_distribution<std::size_t>{0, count - 1}(random);
      };
      for (int round = 0; round < Rounds; ++round) {
        auto const& binding = bindings[pick(bindings.size())];
        auto const x5tS256 = binding ? binding->X5tS256() : std::string{};
        auto request = Get((pick(2) == 0 ? first : second).Url());
        request.Fields.Set(ExpectedKeyField, x5tS256);
        auto const fetched = Fetch(transport, std::move(request), binding);
        if (fetched.Body != x5tS256 || fetched.Connection.X5tS256 != x5tS256) ++wrong;
        // The last two go out of use, and are used all the same.
        if (pick(20) == 0) transport->DropConnections(bindings[bindings.size() - 1 - pick(2)]->X5tS256());
      }
    });
  }
  for (auto& thread : threads) thread.join();

  EXPECT_EQ(mismatches, 0);
  EXPECT_EQ(wrong, 0);
  EXPECT_THAT(first.Failures(), testing::IsEmpty());
  EXPECT_THAT(second.Failures(), testing::IsEmpty());
  auto const statistics = transport->PoolStatistics();
  EXPECT_EQ(statistics.InUse, 0U);
  EXPECT_EQ(statistics.Waiting, 0U);
  EXPECT_LE(statistics.Idle, 12U);
  EXPECT_GT(statistics.Evicted, 0U) << "the pool was not small enough for this to prove anything";
}

INSTANTIATE_TEST_SUITE_P(
    Places,
    AffinityTest,
    testing::Values(
        Place{"HandshakeTls12", TLS1_2_VERSION, AskInHandshake::Yes},
        Place{"Renegotiation", TLS1_2_VERSION, AskInHandshake::No},
        Place{"HandshakeTls13", TLS1_3_VERSION, AskInHandshake::Yes},
        Place{"PostHandshake", TLS1_3_VERSION, AskInHandshake::No}),
    [](auto const& place) { return place.param.Name; });

}  // namespace
}  // namespace mtlspop::test
