// What is left of a token in the process when everything that held it is gone.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
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

struct Pages {
  std::uint64_t Begin;
  std::uint64_t End;
};

/// Which of this process's memory is looked at.
enum class Memory { All, InCoreFiles };

/// What of it can be written.
std::vector<Pages> FindPages(Memory which) {
  std::vector<Pages> found;
  std::ifstream maps{"/proc/self/smaps"};
  bool isWritable = false;
  Pages pages{};
  for (std::string line; std::getline(maps, line);) {
    if (line.compare(0, 8, "VmFlags:") == 0) {
      // "dd": the pages are not dumped (Linux, Documentation/filesystems/proc.rst).
      bool const isDumped = line.find(" dd") == std::string::npos;
      if (isWritable && (which == Memory::All || isDumped)) found.push_back(pages);
    } else if (line.find('-') < line.find(' ')) {
      std::size_t used = 0;
      pages.Begin = std::stoull(line, &used, 16);
      pages.End = std::stoull(line.substr(used + 1), nullptr, 16);
      isWritable = line.find(" rw") != std::string::npos && line.find("[v") == std::string::npos;
    }
  }
  return found;
}

/// How often `length` bytes of `hidden` from `from` on are in this process's writable memory.
int CountInMemory(Hidden const& hidden, std::size_t from, std::size_t length, Memory which = Memory::All) {
  constexpr std::size_t step = std::size_t{1} << 20U;
  int found = 0;
  int const memory = ::open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
  std::vector<std::uint8_t> piece(step + length);
  for (auto const& pages : FindPages(which)) {
    for (auto at = pages.Begin; at < pages.End; at += step) {
      // Not beyond these pages: what lies behind them is looked at for itself, or must not be looked at.
      auto const wanted = std::min<std::uint64_t>(piece.size(), pages.End - at);
      auto const got = ::pread(memory, piece.data(), wanted, static_cast<off_t>(at));
      auto const* const first = piece.data();
      auto const* const last =
          first + std::clamp<std::ptrdiff_t>(got - static_cast<std::ptrdiff_t>(length) + 1, 0, step);
      for (auto const* place = first; place < last; ++place) {
        auto const left = static_cast<std::size_t>(last - place);
        place = static_cast<std::uint8_t const*>(std::memchr(place, hidden.At(from), left));
        if (place == nullptr) break;
        found += hidden.IsAt(place, from, length) ? 1 : 0;
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

int CopiesLeft(HiddenAnswer const& transport, Memory which = Memory::All) {
  auto const& text = *transport.Last;
  // Longer than what a vector register leaves on a stack, of which nobody can be the master.
  constexpr std::size_t piece = 100;
  int found = 0;
  for (std::size_t const part : {0U, 400U, 700U}) {
    found += CountInMemory(text, text.Size() - AnswerEnd.size() - SignatureLength + part, piece, which);
  }
  return found;
}

TEST(AttackMemory, SearchFindsWhatIsThere) {
  Hidden const hidden{Unique(100, 7)};
  EXPECT_EQ(CountInMemory(hidden, 10, 24), 0);
  auto const copy = std::make_unique<std::string>(Unique(100, 7));
  EXPECT_GT(CountInMemory(hidden, 10, 24), 0);
  EXPECT_GT(CountInMemory(hidden, 10, 24, Memory::InCoreFiles), 0);
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
    EXPECT_EQ(CopiesLeft(*transport, Memory::InCoreFiles), 0) << "the cache has it, and a core file would not";
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
    EXPECT_EQ(CopiesLeft(*transport, Memory::InCoreFiles), 0);
  }
  EXPECT_EQ(CopiesLeft(*transport), 0);
}

}  // namespace
}  // namespace mtlspop::test
