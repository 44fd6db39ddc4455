// Tokens that stay in the process's memory, and so in a core file or under a debugger, when nobody needs them any more.

#include <gmock/gmock.h>

#include <sys/mman.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>

#include "mtlspop/transport/secret.hpp"
#include "support/in_child.hpp"
#include "transport_test.hpp"

namespace mtlspop::test {
namespace {

/// A token that stands nowhere: each of its characters is computed.
class ComputedToken final {
 public:
  static constexpr std::size_t Size = 1800;

  explicit ComputedToken(std::uint32_t seed) : seed_(seed) {}

  char At(std::size_t index) const noexcept {
    auto mixed = (static_cast<std::uint32_t>(index) + seed_) * 2654435761U;
    mixed = (mixed ^ mixed >> 15U) * 2246822519U;
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[(mixed ^ mixed >> 13U) & 63U];
  }
  /// For whoever overwrites it afterwards.
  std::string Text() const {
    std::string text(Size, '\0');
    for (std::size_t index = 0; index < Size; ++index) text[index] = At(index);
    return text;
  }
  /// Whether `bytes` hold a piece of it.
  bool IsIn(char const* bytes, std::size_t size) const noexcept {
    for (std::size_t const part : {std::size_t{40}, Size / 2, Size - 200}) {
      char const first = At(part);
      for (auto const* at = bytes; at + PieceSize <= bytes + size; ++at) {
        at = static_cast<char const*>(std::memchr(at, first, static_cast<std::size_t>(bytes + size - at)));
        if (at == nullptr || at + PieceSize > bytes + size) break;
        std::size_t same = 1;
        while (same < PieceSize && at[same] == At(part + same)) ++same;
        if (same == PieceSize) return true;
      }
    }
    return false;
  }

 private:
  static constexpr std::size_t PieceSize = 32;
  std::uint32_t seed_;
};

/// Reads all memory of this process that it can write, through a buffer that is not part of it.
class OwnMemory final {
 public:
  OwnMemory()
      : buffer_(static_cast<char*>(::mmap(nullptr, Size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
  }
  ~OwnMemory() { ::munmap(buffer_, Size); }
  OwnMemory(OwnMemory const&) = delete;
  OwnMemory& operator=(OwnMemory const&) = delete;

  bool Holds(ComputedToken const& token) {
    std::ifstream maps{"/proc/self/maps"};
    int const memory = ::open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    bool found = false;
    for (std::string line; std::getline(maps, line);) {
      std::uintptr_t begin = 0;
      std::uintptr_t end = 0;
      char rights[5] = "";
      if (std::sscanf(line.c_str(), "%lx-%lx %4s", &begin, &end, rights) != 3 || rights[1] != 'w') continue;
      found = Search(memory, begin, end, token) || found;
    }
    ::close(memory);
    return found;
  }

 private:
  static constexpr std::size_t Size = 1 << 20;
  static constexpr std::size_t Overlap = 64;

  bool Search(int memory, std::uintptr_t begin, std::uintptr_t end, ComputedToken const& token) {
    auto const own = reinterpret_cast<std::uintptr_t>(buffer_);
    for (auto at = begin; at < end; at += Size - Overlap) {
      if (at < own + Size && at + Size > own) continue;
      auto const count = ::pread(memory, buffer_, std::min<std::size_t>(Size, end - at), static_cast<off_t>(at));
      if (count > 0 && token.IsIn(buffer_, static_cast<std::size_t>(count))) return true;
    }
    return false;
  }

  char* buffer_;
};

struct Way {
  std::string Name;
  int Version;
  /// How the answer is framed.
  bool Chunked;
};

void PrintTo(Way const& way, std::ostream* out) { *out << way.Name; }

class AttackMemoryTest : public testing::TestWithParam<Way> {
 protected:
  /// Others for each test: this process has those of the tests before in its own memory, where its server ran.
  static std::uint32_t Number() {
    return static_cast<std::uint32_t>(GetParam().Version * 2 + (GetParam().Chunked ? 1 : 0));
  }
  static std::uint32_t Sent() { return Number() * 100'000; }
  static std::uint32_t Received() { return Sent() + 50'000; }

  /// Answers with a token, computed when it is asked: this process's children shall not inherit it.
  static void ServeToken(ScriptedConnection& connection, bool chunked) {
    while (auto const request = connection.TryReadRequest()) {
      auto const body = "{\"token_type\":\"mtls_pop\",\"access_token\":\"" + ComputedToken{Received()}.Text() + "\"}";
      std::ostringstream size;
      size << std::hex << body.size();
      if (request->Target == "/broken") {
        auto const more = std::to_string(body.size() + 1);
        connection.Write(
            chunked ? "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + size.str() + "\r\n" + body
                    : "HTTP/1.1 200 OK\r\nContent-Length: " + more + "\r\n\r\n" + body);
        return;
      }
      connection.Write(
          chunked
              ? "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + size.str() + "\r\n" + body + "\r\n0\r\n\r\n"
              : "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    }
  }

  /// In one piece: growing would leave a copy of the test's own behind.
  static std::string Prefixed(std::string_view prefix) {
    std::string text;
    text.reserve(prefix.size() + ComputedToken::Size);
    text.append(prefix);
    for (std::size_t index = 0; index < ComputedToken::Size; ++index) text += ComputedToken{Sent()}.At(index);
    return text;
  }

  static bool GetToken(Transport const& transport, std::string const& url, Binding const& binding) {
    auto request = Post(url, Prefixed("client_assertion="));
    request.Fields.Set("Authorization", Prefixed("mtls_pop "));
    auto const response = transport->Send(request, binding, Patiently());
    auto body = ReadToEnd(*response->Body, DefaultBufferedBodyBytes, Patiently());
    bool const good =
        body.find(ComputedToken{Received()}.At(0)) != std::string::npos && body.size() > ComputedToken::Size;
    Cleanse(body);
    return good;
  }
};

TEST_P(AttackMemoryTest, HoldsNoTokenWhenAllIsDone) {
  if (Slowness > 1) GTEST_SKIP() << "a sanitizer maps terabytes of shadow memory";
  ScriptedServer const server{TlsServer(GetParam().Version, GetParam().Version), [](ScriptedConnection& connection) {
                                ServeToken(connection, GetParam().Chunked);
                              }};
  auto const binding = NewBinding();
  EXPECT_TRUE(InChild([&] {
    OwnMemory memory;
    bool good = true;
    auto transport = MakeTransport(AllowTls13(TrustingOptions(), server.Url()));
    auto held = ComputedToken{Sent()}.Text();
    if (!memory.Holds(ComputedToken{Sent()})) {
      std::fputs("the search finds nothing\n", stderr);
      good = false;
    }
    Cleanse(held);
    // All of the token comes, and then the end of the connection.
    try {
      GetToken(transport, server.Url() + "broken", binding);
      std::fputs("a broken answer is taken for a whole one\n", stderr);
      good = false;
    } catch (Error const& error) {
      good = error.Code() == errors::ConnectionLost && good;
    }
    for (int round = 0; round < 3; ++round) good = GetToken(transport, server.Url(), binding) && good;
    // The connection rests in its pool: a dump of a running process is the likelier one.
    for (bool const resting : {true, false}) {
      if (!resting) transport.reset();
      for (auto const seed : {Sent(), Received()}) {
        if (memory.Holds(ComputedToken{seed})) {
          std::fprintf(
              stderr, "the %s token is still there%s\n", seed == Sent() ? "sent" : "received",
              resting ? " while the connection rests" : "");
          good = false;
        }
      }
    }
    return good;
  }));
}

INSTANTIATE_TEST_SUITE_P(
    Ways,
    AttackMemoryTest,
    testing::Values(
        Way{"Tls12", TLS1_2_VERSION, false},
        Way{"Tls13", TLS1_3_VERSION, false},
        Way{"Tls12Chunked", TLS1_2_VERSION, true},
        Way{"Tls13Chunked", TLS1_3_VERSION, true}),
    [](auto const& way) { return way.param.Name; });

}  // namespace
}  // namespace mtlspop::test
