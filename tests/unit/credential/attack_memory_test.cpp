// What is left of a token in the process when everything that held it is gone.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_cloud.hpp"
#include "mtlspop/base/encoding.hpp"
#include "mtlspop/credential/client_certificate_credential.hpp"
#include "mtlspop/credential/managed_identity_credential.hpp"
#include "support/test_certificate_authority.hpp"

namespace mtlspop::test {
namespace {

/// A text that is in memory only with its bits turned over, so that whoever looks for it does not find himself.
class Hidden final {
 public:
  /// Takes `text` over.
  explicit Hidden(std::string&& text) {
    for (char& c : text) masked_.push_back(static_cast<std::uint8_t>(~static_cast<unsigned char>(c)));
    Cleanse(text);
  }
  std::size_t Size() const noexcept { return masked_.size(); }
  std::uint8_t At(std::size_t index) const noexcept { return static_cast<std::uint8_t>(~masked_[index]); }
  bool IsAt(std::uint8_t const* place, std::size_t from, std::size_t length) const noexcept {
    for (std::size_t i = 0; i < length; ++i) {
      if (place[i] != At(from + i)) return false;
    }
    return true;
  }

 private:
  std::vector<std::uint8_t> masked_;
};

/// Answers every request with the same hidden text, from which only the caller's buffer gets anything readable.
class HiddenAnswer final : public HttpTransport {
 public:
  explicit HiddenAnswer(std::function<std::string(BindingCertificate const*)> answer) : answer_(std::move(answer)) {}

  std::unique_ptr<Response> Send(
      Request& request, std::shared_ptr<BindingCertificate const> const& binding, Context const&) override {
    Last = std::make_shared<Hidden>(answer_(binding.get()));
    auto response = std::make_unique<Response>();
    // The probe that asks whether there is a metadata service at all.
    response->StatusCode = binding || request.Fields.Contains("Metadata") ? 200 : 400;
    response->Fields.Set("Server", "IMDS/150.870.65.1854");
    response->Body = std::make_unique<Body>(Last);
    return response;
  }

  std::shared_ptr<Hidden const> Last;

 private:
  /// In pieces, as a network gives it, and without saying how long it is.
  class Body final : public BodyStream {
   public:
    explicit Body(std::shared_ptr<Hidden const> text) : text_(std::move(text)) {}
    std::size_t Read(gsl::span<std::uint8_t> buffer, Context const&) override {
      constexpr std::size_t most = 700;
      auto const count = std::min({buffer.size(), most, text_->Size() - position_});
      for (std::size_t i = 0; i < count; ++i) buffer[i] = text_->At(position_ + i);
      position_ += count;
      return count;
    }

   private:
    std::shared_ptr<Hidden const> text_;
    std::size_t position_ = 0;
  };

  std::function<std::string(BindingCertificate const*)> answer_;
};

/// How often `length` bytes of `hidden` from `from` on are in this process's writable memory.
int CountInMemory(Hidden const& hidden, std::size_t from, std::size_t length) {
  constexpr std::size_t step = std::size_t{1} << 20U;
  int found = 0;
  std::ifstream maps{"/proc/self/maps"};
  int const memory = ::open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
  std::vector<std::uint8_t> piece(step + length);
  for (std::string line; std::getline(maps, line);) {
    if (line.find(" rw") == std::string::npos || line.find("[v") != std::string::npos) continue;
    std::size_t used = 0;
    auto const begin = std::stoull(line, &used, 16);
    auto const end = std::stoull(line.substr(used + 1), nullptr, 16);
    for (auto at = begin; at < end; at += step) {
      auto const got = ::pread(memory, piece.data(), piece.size(), static_cast<off_t>(at));
      for (std::size_t i = 0; got > 0 && i + length <= static_cast<std::size_t>(got) && i < step; ++i) {
        found += hidden.IsAt(&piece[i], from, length) ? 1 : 0;
      }
      // What was looked at is no copy that anybody left.
      Cleanse(piece.data(), piece.size());
    }
  }
  ::close(memory);
  return found;
}

/// Characters that nothing else in the process has.
std::string Unique(std::size_t length, unsigned seed) {
  constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string text;
  text.reserve(length);
  for (std::size_t i = 0; i < length; ++i) {
    seed = seed * 1'664'525U + 1'013'904'223U;
    text += letters[seed >> 26U];
  }
  return text;
}

/// The token's last part: the rest of it is known to everybody.
constexpr std::size_t SignatureLength = 800;
constexpr std::string_view AnswerEnd = "\"}";

std::string AnswerWith(std::string const& type, std::string const& payload, unsigned seed) {
  std::string answer;
  answer.reserve(4096);
  answer.append(R"({"token_type":")")
      .append(type)
      .append(R"(","expires_in":86400,"access_token":"eyJhbGciOiJub25lIn0.)");
  answer.append(encoding::ToBase64Url(encoding::AsBytes(payload))).append(".");
  auto signature = Unique(SignatureLength, seed);
  answer.append(signature).append(AnswerEnd);
  Cleanse(signature);
  return answer;
}

int CopiesLeft(HiddenAnswer const& transport) {
  auto const& text = *transport.Last;
  // Longer than what a vector register leaves on a stack, of which nobody can be the master.
  constexpr std::size_t piece = 100;
  int found = 0;
  for (std::size_t const part : {0U, 400U, 700U}) {
    found += CountInMemory(text, text.Size() - AnswerEnd.size() - SignatureLength + part, piece);
  }
  return found;
}

TEST(AttackMemory, SearchFindsWhatIsThere) {
  Hidden const hidden{Unique(100, 7)};
  EXPECT_EQ(CountInMemory(hidden, 10, 24), 0);
  auto const copy = std::make_unique<std::string>(Unique(100, 7));
  EXPECT_GT(CountInMemory(hidden, 10, 24), 0);
}

TEST(AttackMemory, NoCopyOfABoundTokenIsLeft) {
  auto const transport = std::make_shared<HiddenAnswer>([](BindingCertificate const* binding) {
    return AnswerWith("mtls_pop", R"({"cnf":{"x5t#S256":")" + std::string{binding->X5tS256()} + "\"}}", 11);
  });
  {
    TestCertificateAuthority authority;
    ClientCertificateCredentialOptions options;
    options.TenantId = "my-tenant";
    options.ClientId = "my-app";
    options.Certificate = ToBinding(authority.IssueForClient("app"));
    options.Transport = transport;
    ClientCertificateCredential credential{options};
    auto const token = credential.GetToken(ManagedIdentityWorld::Request(), {});
    EXPECT_GT(token.Token.Reveal().size(), SignatureLength);
    EXPECT_GT(CopiesLeft(*transport), 0);
  }
  EXPECT_EQ(CopiesLeft(*transport), 0);
}

TEST(AttackMemory, NoCopyOfABearerTokenIsLeft) {
  auto const transport =
      std::make_shared<HiddenAnswer>([](BindingCertificate const*) { return AnswerWith("Bearer", "{}", 13); });
  {
    ManagedIdentityCredentialOptions options;
    options.Binding = TokenBinding::None;
    options.Transport = transport;
    ManagedIdentityCredential credential{options};
    auto const token = credential.GetToken(ManagedIdentityWorld::Request(), {});
    EXPECT_GT(token.Token.Reveal().size(), SignatureLength);
  }
  EXPECT_EQ(CopiesLeft(*transport), 0);
}

}  // namespace
}  // namespace mtlspop::test
