// The table of BoundCall, through the policies of a client of the Azure SDK.
#include "support/bound_call_drivers.hpp"

#include <azure/core/http/policies/policy.hpp>
#include <azure/core/internal/http/pipeline.hpp>

#include <stdexcept>
#include <utility>

#include "mtlspop/azure/token_binding.hpp"

namespace mtlspop::test {
namespace {

namespace http = Azure::Core::Http;

// A body that can be read once.
class OnceStream final : public Azure::Core::IO::BodyStream {
 public:
  std::int64_t Length() const override { return static_cast<std::int64_t>(std::string_view{DrivenBody}.size()); }
  void Rewind() override {
    if (isRead_) throw std::runtime_error("read already");
  }

 private:
  std::size_t OnRead(std::uint8_t* buffer, std::size_t, Azure::Core::Context const&) override {
    if (std::exchange(isRead_, true)) return 0;
    std::string_view const text{DrivenBody};
    std::copy(text.begin(), text.end(), buffer);
    return text.size();
  }
  bool isRead_ = false;
};

std::string Send(
    http::_internal::HttpPipeline const& pipeline, std::string const& method, std::string const& url, TableBody kind) {
  std::string_view const text{DrivenBody};
  std::vector<std::uint8_t> const bytes{text.begin(), text.end()};
  Azure::Core::IO::MemoryBodyStream rewindable{bytes};
  OnceStream once;
  Azure::Core::IO::BodyStream* body = nullptr;
  if (kind == TableBody::Rewindable) body = &rewindable;
  if (kind == TableBody::Once) body = &once;
  http::HttpMethod const verb{method};
  auto request =
      body == nullptr ? http::Request{verb, Azure::Core::Url{url}} : http::Request{verb, Azure::Core::Url{url}, body};
  try {
    return std::to_string(static_cast<int>(pipeline.Send(request, {})->GetStatusCode()));
  } catch (Azure::Core::RequestFailedException const& error) {
    return error.ErrorCode;
  } catch (Azure::Core::Credentials::AuthenticationException const& error) {
    std::string const what = error.what();
    return what.substr(0, what.find(':'));
  }
}

// A new pipeline for each call, that Azure's own policy carries nothing over from one to the next.
DriverSend MakeAzureDriver(DriverSetup const& setup) {
  using Azure::Core::Http::Policies::_internal::BearerTokenAuthenticationPolicy;
  azure::BoundTokenCredentialOptions options;
  options.Credential = setup.Credential;
  options.Transport = setup.Transport;
  options.Memory = setup.Options.Memory;
  options.Observer = {};
  options.ManagedIdentity.Time = setup.Time;
  auto const credential = std::make_shared<azure::BoundTokenCredential>(options);
  Azure::Core::_internal::ClientOptions client;
  azure::UseTokenBinding(client, credential);
  return [credential, client, scopes = setup.Options.Scopes](
             std::string const& method, std::string const& url, TableBody body) {
    Azure::Core::Credentials::TokenRequestContext wanted;
    wanted.Scopes = scopes;
    std::vector<std::unique_ptr<http::Policies::HttpPolicy>> perRetry;
    perRetry.push_back(std::make_unique<BearerTokenAuthenticationPolicy>(credential, wanted));
    http::_internal::HttpPipeline const pipeline{client, "test", "1.0", std::move(perRetry), {}};
    return Send(pipeline, method, url, body);
  };
}

// It has scopes always, and repeats lost connections and error statuses by itself.
INSTANTIATE_TEST_SUITE_P(
    Azure,
    BoundCallDriver,
    testing::ValuesIn(DrivenRows({{false, false, true, false}, &MakeAzureDriver})),
    &NameOfDrivenRow);

}  // namespace
}  // namespace mtlspop::test
