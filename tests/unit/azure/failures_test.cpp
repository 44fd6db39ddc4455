#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>

#include "mtlspop/azure/http_transport.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/policies/errors.hpp"
#include "support/error_code_of.hpp"
#include "token_binding_fixture.hpp"

namespace mtlspop::azure {
namespace {

using namespace std::chrono_literals;
using Azure::Core::OperationCancelledException;
using Azure::Core::RequestFailedException;
using testing::HasSubstr;
using testing::SizeIs;

/// Which of the families of http_transport.hpp `call` throws, with its code.
template <typename Call>
std::string FamilyOf(Call&& call) {
  try {
    call();
  } catch (TransportException const& error) {
    return "TransportException " + error.ErrorCode;
  } catch (RequestFailedException const& error) {
    return "RequestFailedException " + error.ErrorCode;
  } catch (AuthenticationException const& error) {
    std::string const what = error.what();
    return "AuthenticationException " + what.substr(0, what.find(':'));
  }
  return "none";
}

class AttackFamiliesTest : public TokenBindingTest,
                           public testing::WithParamInterface<std::pair<ErrorCode, char const*>> {};

TEST_P(AttackFamiliesTest, SayWhetherAnotherTryIsOfUse) {
  auto const [code, family] = GetParam();
  bool const isRetried = std::string{family} == "TransportException";
  clientOptions_.Retry.MaxRetries = 2;
  for (int i = 0; i < 9; ++i) transport_->ThenThrow(Error{{code, "no", "do something"}});
  EXPECT_EQ(FamilyOf([&] { GetBound(); }), std::string{family} + " " + std::string{code.Name()});
  EXPECT_THAT(transport_->Sent(), SizeIs(isRetried ? 3 : 1));
}

INSTANTIATE_TEST_SUITE_P(
    Codes,
    AttackFamiliesTest,
    testing::Values(
        std::pair{errors::NameResolutionFailed, "TransportException"},
        std::pair{errors::ConnectFailed, "TransportException"},
        std::pair{errors::ConnectionLost, "TransportException"},
        std::pair{errors::TlsHandshakeFailed, "TransportException"},
        std::pair{errors::MalformedResponse, "TransportException"},
        std::pair{errors::PoolExhausted, "TransportException"},
        std::pair{errors::ServerCertificateRejected, "RequestFailedException"},
        std::pair{errors::TrustStoreUnusable, "RequestFailedException"},
        std::pair{errors::InvalidArgument, "RequestFailedException"},
        std::pair{errors::RequestBodyFailed, "RequestFailedException"},
        std::pair{errors::HeaderBytesLimitExceeded, "RequestFailedException"},
        std::pair{errors::ProxyAuthenticationRequired, "RequestFailedException"},
        std::pair{errors::PrivateKeyUnusable, "AuthenticationException"},
        std::pair{errors::InvalidBindingCertificate, "AuthenticationException"}),
    [](auto const& tested) { return std::string{tested.param.first.Name()}; });

/// Azure's exceptions lose their text in a copy where nobody takes care.
TEST_F(TokenBindingTest, KeepsTheTextOfAFailureInItsCopies) {
  transport_->ThenThrow(Error{{errors::ServerCertificateRejected, "nobody vouches for it", "give its authority"}});
  try {
    GetBound();
    FAIL();
  } catch (RequestFailedException const& error) {
    EXPECT_STREQ(RequestFailedException{error}.what(), error.what());
    EXPECT_THAT(error.what(), HasSubstr("nobody vouches for it"));
  }
}

TEST(AzureHttpTransport, TellsAnUnusableUrlAsAFailedRequest) {
  azure::HttpTransport transport{std::make_shared<ScriptedTransport>()};
  Azure::Core::Http::Request request{HttpMethod::Get, Azure::Core::Url{"http://\xC0\x76\x77/get"}};
  EXPECT_EQ(FamilyOf([&] { transport.Send(request, {}); }), "RequestFailedException invalid_argument");
}

/// Of the application's: fails with an exception of its own.
class FailingStream final : public Azure::Core::IO::BodyStream {
 public:
  std::int64_t Length() const override { return 100; }
  void Rewind() override {}
  int Reads = 0;

 private:
  std::size_t OnRead(std::uint8_t*, std::size_t, Azure::Core::Context const&) override {
    ++Reads;
    throw std::domain_error("the disk is gone");
  }
};

/// As the transports read a request's body: what it throws is the cause of their own error.
class ReadingTransport final : public mtlspop::HttpTransport {
 public:
  std::unique_ptr<Response> Send(
      mtlspop::Request& request, std::shared_ptr<BindingCertificate const> const&, Context const& context) override {
    try {
      ReadToEnd(*request.Body, 1000, context);
    } catch (...) {
      std::throw_with_nested(Error{{errors::RequestBodyFailed, "the body could not be read", "look at the cause"}});
    }
    return MakeResponse(200);
  }
  mtlspop::PoolStatistics PoolStatistics() const override { return {}; }
};

class AttackBodyTest : public TokenBindingTest {};

TEST_F(AttackBodyTest, HandsOnWhatTheBodyOfTheApplicationThrowsAtOnce) {
  BoundTokenCredentialOptions options;
  options.Credential = inner_;
  options.Transport = std::make_shared<ReadingTransport>();
  auto const credential = std::make_shared<BoundTokenCredential>(options);
  UseTokenBinding(clientOptions_, credential);
  FailingStream body;
  Azure::Core::Http::Request request{
      HttpMethod::Put, Azure::Core::Url{"https://myvault.vault.azure.net/secrets/a"}, &body};
  EXPECT_THROW(MakePipeline(credential).Send(request, {}), std::domain_error);
  EXPECT_EQ(body.Reads, 1);
}

/// Waits until its context ends, or answers with a body that goes on for ever.
class StandingTransport final : public mtlspop::HttpTransport {
 public:
  class Endless final : public mtlspop::BodyStream {
   public:
    std::size_t Read(gsl::span<std::uint8_t> buffer, Context const&) override { return buffer.size(); }
  };
  class Silent final : public mtlspop::BodyStream {
   public:
    std::size_t Read(gsl::span<std::uint8_t>, Context const& context) override { return Wait(context), 0; }
  };

  std::unique_ptr<Response> Send(
      mtlspop::Request& request, std::shared_ptr<BindingCertificate const> const&, Context const& context) override {
    for (int i = 0; request.Body && i < Pieces; ++i) {
      std::uint8_t piece[10];
      request.Body->Read(piece, context);
      SystemClock()->Sleep(PerPiece, context);
    }
    if (!Body) Wait(context);
    auto response = MakeResponse(200);
    response->Body = std::move(Body);
    return response;
  }
  mtlspop::PoolStatistics PoolStatistics() const override { return {}; }

  std::unique_ptr<mtlspop::BodyStream> Body;
  int Pieces = 0;
  std::chrono::milliseconds PerPiece{10};

 private:
  static void Wait(Context const& context) {
    for (;;) {
      context.ThrowIfEnded("Waiting");
      SystemClock()->Sleep(1ms, {});
    }
  }
};

class AttackStandstillTest : public testing::Test {
 protected:
  AttackStandstillTest() { limits_.NetworkTimeout = 50ms; }

  std::unique_ptr<RawResponse> Send(
      std::string const& text = {}, bool isBuffered = true, Azure::Core::Context const& context = {}) {
    Azure::Core::IO::MemoryBodyStream body{reinterpret_cast<std::uint8_t const*>(text.data()), text.size()};
    Azure::Core::Http::Request request{HttpMethod::Put, Azure::Core::Url{"https://vault.example/a"}, &body, isBuffered};
    Azure::Core::Http::Policies::TransportOptions options;
    options.Transport = std::make_shared<azure::HttpTransport>(transport_, limits_);
    std::vector<std::unique_ptr<HttpPolicy>> policies;
    policies.push_back(std::make_unique<Azure::Core::Http::Policies::_internal::TransportPolicy>(options));
    return HttpPipeline{std::move(policies)}.Send(request, context);
  }

  NetworkLimits limits_;
  std::shared_ptr<StandingTransport> transport_ = std::make_shared<StandingTransport>();
};

TEST_F(AttackStandstillTest, OfAnAnswerEndsWithoutADeadline) {
  EXPECT_EQ(FamilyOf([&] { Send(); }), "TransportException deadline_exceeded");
  EXPECT_EQ(FamilyOf([&] { Send("a body"); }), "TransportException deadline_exceeded");
}

TEST_F(AttackStandstillTest, NamesTheHostAndTheOption) {
  try {
    Send();
    FAIL();
  } catch (TransportException const& error) {
    EXPECT_THAT(error.what(), HasSubstr("vault.example has let the request wait for 50 ms"));
    EXPECT_THAT(error.what(), HasSubstr("NetworkTimeout"));
  }
}

TEST_F(AttackStandstillTest, IsNoneWhileTheServerTakesMoreOfTheBody) {
  // All pieces together take longer than the limit, each far less, also on a machine that is busy with other tests.
  limits_.NetworkTimeout = 1s;
  transport_->Pieces = 12;
  transport_->PerPiece = 100ms;
  transport_->Body = std::make_unique<MemoryBody>("ok");
  EXPECT_EQ(Send(std::string(120, 'x'))->GetStatusCode(), HttpStatusCode::Ok);
}

TEST_F(AttackStandstillTest, OfAnAnswersBodyEndsToo) {
  transport_->Body = std::make_unique<StandingTransport::Silent>();
  EXPECT_EQ(FamilyOf([&] { Send(); }), "TransportException deadline_exceeded");
}

TEST_F(AttackStandstillTest, IsTheCallersCancellationWhereItsContextEndsFirst) {
  limits_.NetworkTimeout = 1h;
  Azure::Core::Context const context{std::chrono::system_clock::now() + 30ms};
  EXPECT_THROW(Send({}, true, context), OperationCancelledException);
  EXPECT_THROW(Send("a body", true, context), OperationCancelledException);
}

using StandstillTest = AttackStandstillTest;

/// The largest number means "never", and not a time in the past, as it does where it overflows.
TEST_F(StandstillTest, HasNoLimitWhereThatIsTheLongestTime) {
  limits_.NetworkTimeout = std::chrono::milliseconds::max();
  for (auto const* const text : {"", "a body"}) {
    transport_->Pieces = 2;
    transport_->Body = std::make_unique<MemoryBody>("ok");
    EXPECT_EQ(Send(text)->GetStatusCode(), HttpStatusCode::Ok) << text;
  }
}

TEST_F(AttackStandstillTest, HasNoNegativeLimit) {
  limits_.NetworkTimeout = -1ms;
  EXPECT_EQ(ErrorCodeOf([&] { azure::HttpTransport(transport_, limits_); }), errors::InvalidArgument.Name());
}

/// Otherwise an endless answer takes the process's memory.
TEST_F(AttackStandstillTest, OfAnEndlessAnswerIsItsLimit) {
  limits_.BufferedBodyBytes = 100'000;
  transport_->Body = std::make_unique<StandingTransport::Endless>();
  EXPECT_EQ(FamilyOf([&] { Send(); }), "RequestFailedException buffered_body_limit_exceeded");
  // A download is the application's to end.
  transport_->Body = std::make_unique<StandingTransport::Endless>();
  auto const body = Send({}, false)->ExtractBodyStream();
  std::vector<std::uint8_t> piece(200'000);
  EXPECT_EQ(body->ReadToCount(piece.data(), piece.size(), {}), piece.size());
}

/// The one of http_transport.hpp, which a client's call stands in for.
template <typename Client>
std::string Example(Client const& client) {
  // [example]
  try {
    std::cout << client.GetSecret("password").Value.Name << '\n';
  } catch (Azure::Core::OperationCancelledException const&) {
    return "the caller's time is over";
  } catch (Azure::Core::Http::TransportException const& error) {
    return "later: " + error.ErrorCode;  // "connection_lost"
  } catch (Azure::Core::RequestFailedException const& error) {
    return "correct it: " + error.ErrorCode;  // "server_certificate_rejected", or the service's own code
  } catch (Azure::Core::Credentials::AuthenticationException const& error) {
    return std::string{"not authorized: "} + error.what();
  }
  // [/example]
  return {};
}

std::string LinesBetween(char const* path, std::string const& begin, std::string const& end, std::size_t indent) {
  std::ifstream file{path};
  std::string lines;
  bool isInside = false;
  for (std::string line; std::getline(file, line);) {
    if (isInside && line.find(end) != std::string::npos) break;
    if (isInside) lines += line.substr(std::min(indent, line.size())) + '\n';
    isInside = isInside || line.find(begin) != std::string::npos;
  }
  return lines;
}

TEST(AzureErrorFamilies, AreInTheHeaderAsTheyAreHere) {
  auto const here = LinesBetween(MTLSPOP_AZURE_FAILURES_TEST, "// [example]", "// [/example]", 2);
  EXPECT_THAT(here, HasSubstr("later: "));
  EXPECT_EQ(LinesBetween(MTLSPOP_AZURE_HTTP_TRANSPORT_HEADER, "/// @code", "/// @endcode", 4), here);
}

class ExampleTest : public TokenBindingTest {
 protected:
  /// A client in what the example needs of one.
  struct Client {
    struct Answer {
      struct {
        std::string Name;
      } Value;
    };
    Answer GetSecret(std::string const& name) const { return Get(), Answer{{name}}; }
    std::function<void()> Get;
  };
  std::string Run(Error const& error) {
    clientOptions_.Retry.MaxRetries = 0;
    for (int i = 0; i < 2; ++i) transport_->ThenThrow(error);
    return Example(Client{[this] { GetBound(); }});
  }
};

TEST_F(ExampleTest, TellsTheFamiliesApart) {
  EXPECT_EQ(Run(Error{{errors::Cancelled, "a", "b"}}), "the caller's time is over");
}

TEST_F(ExampleTest, TriesAgainLaterWhatMayPass) {
  EXPECT_EQ(Run(Error{{errors::ConnectionLost, "a", "b"}}), "later: connection_lost");
}

TEST_F(ExampleTest, CorrectsWhatWillNot) {
  EXPECT_EQ(Run(Error{{errors::ServerCertificateRejected, "a", "b"}}), "correct it: server_certificate_rejected");
}

TEST_F(ExampleTest, SaysWhatIsWrongWithTheBinding) {
  EXPECT_THAT(Run(Error{{errors::PrivateKeyUnusable, "a", "b"}}), HasSubstr("not authorized: private_key_unusable"));
}

}  // namespace
}  // namespace mtlspop::azure
