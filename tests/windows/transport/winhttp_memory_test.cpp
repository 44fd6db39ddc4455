// What is left of secrets in the process's memory once a request is over. Only copies in UTF-16 are looked for, which none but
// the transport has made: the fake keeps nothing of what it is given.

#include <algorithm>
#include <random>

#include "winhttp_transport_fixture.hpp"

namespace mtlspop::windows_tests {
namespace {

/// Letters that stand nowhere else.
std::string MakeToken() {
  std::random_device random;
  std::string token(64, '\0');
  std::generate(token.begin(), token.end(), [&random] { return static_cast<char>('a' + random() % 26); });
  return token;
}

/// How often the last half of `secret` stands in this process's own memory, a character in two bytes.
int WideCopies(std::string_view secret) {
  auto const piece = secret.substr(secret.size() / 2);
  int copies = 0;
  MEMORY_BASIC_INFORMATION region{};
  for (char const* at = nullptr; VirtualQuery(at, &region, sizeof region) == sizeof region;) {
    auto const* const begin = static_cast<char const*>(region.BaseAddress);
    at = begin + region.RegionSize;
    constexpr DWORD writable = PAGE_READWRITE | PAGE_EXECUTE_READWRITE;
    if (region.State != MEM_COMMIT || (region.Protect & writable) == 0 || (region.Protect & PAGE_GUARD) != 0) continue;
    for (auto const* here = begin; here + 2 * piece.size() <= at; here += 2) {
      auto const* const characters = reinterpret_cast<wchar_t const*>(here);
      auto const isSame = [](char narrow, wchar_t wide) { return static_cast<wchar_t>(narrow) == wide; };
      if (std::equal(piece.begin(), piece.end(), characters, isSame)) ++copies;
    }
  }
  return copies;
}

class AttackWinHttpMemoryTest : public WinHttpTransportTest {
 protected:
  AttackWinHttpMemoryTest() { http_->ServerCertificate = MakeNamedBinding("server")->Leaf(); }
};

TEST_P(AttackWinHttpMemoryTest, HoldsNoHeaderFieldOfARequestThatIsOver) {
  auto const token = MakeToken();
  int meanwhile = 0;
  EXPECT_CALL(*http_, AddRequestHeaders).WillOnce([&](HINTERNET, wchar_t const*, DWORD) {
    meanwhile = WideCopies(token);
    return true;
  });
  {
    Request request{"GET", Url::Parse("https://example.com/")};
    request.Fields.Set("Authorization", "Bearer " + token);
    Transport().Send(request, nullptr, {});
  }
  EXPECT_EQ(meanwhile, 1);
  EXPECT_EQ(WideCopies(token), 0);
}

TEST_P(AttackWinHttpMemoryTest, HoldsNoPasswordOfAProxy) {
  auto const password = MakeToken();
  int meanwhile = 0;
  options_.Proxy.Url = "http://user:" + password + "@proxy.example:3128";
  http_->Header = L"HTTP/1.1 407 So\r\n\r\n";
  EXPECT_CALL(*http_, SetProxyCredentials).WillOnce([&](HINTERNET, wchar_t const*, wchar_t const*) {
    meanwhile = WideCopies(password);
    return true;
  });
  Request request{"GET", Url::Parse("http://example.com/")};
  EXPECT_EQ(FailureOf(request).Code, errors::ProxyAuthenticationRequired);
  EXPECT_EQ(meanwhile, 1);
  EXPECT_EQ(WideCopies(password), 0);
}

INSTANTIATE_TEST_SUITE_P(BothWays, AttackWinHttpMemoryTest, testing::Values(Way::Blocking, Way::Asynchronous), NameOf);

}  // namespace
}  // namespace mtlspop::windows_tests
