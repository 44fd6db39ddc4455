// The table of BoundCall, through the handler of cpprestsdk.
// Before cpprestsdk, whose macro U is a name that GoogleTest uses.
#include "support/bound_call_drivers.hpp"

#include <cpprest/producerconsumerstream.h>

#include "mtlspop/cpprest/handler.hpp"
#include "mtlspop/cpprest/http_exception.hpp"

namespace mtlspop::test {
namespace {

using web::http::client::http_client;

// A stream that cannot be rewound.
concurrency::streams::istream OnceStream() {
  concurrency::streams::producer_consumer_buffer<std::uint8_t> buffer;
  std::string const text{DrivenBody};
  buffer.putn_nocopy(reinterpret_cast<std::uint8_t const*>(text.data()), text.size()).wait();
  buffer.close(std::ios_base::out).wait();
  return buffer.create_istream();
}

DriverSend MakeHandlerDriver(DriverSetup const& setup) {
  cpprest::HandlerOptions options;
  options.Transport = setup.Transport;
  options.Scopes = setup.Options.Scopes;
  options.TenantId = setup.Options.TenantId;
  options.AdditionallyAllowedTenants = setup.Options.AdditionallyAllowedTenants;
  options.Binding = setup.Options.Binding;
  options.Retry = setup.Options.Retry;
  options.Memory = setup.Options.Memory;
  options.Time = setup.Time;
  auto const client = std::make_shared<std::optional<http_client>>();
  return [client, options, credential = setup.Credential](
             std::string const& method, std::string const& url, TableBody body) {
    web::uri const target{url};
    if (!*client) client->emplace(cpprest::MakeClient(target.authority(), credential, {}, options));
    web::http::http_request request{method};
    request.set_request_uri(target.path());
    if (body == TableBody::Rewindable) request.set_body(DrivenBody);
    if (body == TableBody::Once) request.set_body(OnceStream());
    try {
      auto const response = (*client)->request(request).get();
      response.content_ready().get();
      return std::to_string(response.status_code());
    } catch (cpprest::HttpException const& error) {
      return std::string{error.Code().Name()};
    }
  };
}

INSTANTIATE_TEST_SUITE_P(
    CpprestHandler,
    BoundCallDriver,
    testing::ValuesIn(DrivenRows({{true, true, true, true}, &MakeHandlerDriver})),
    &NameOfDrivenRow);

}  // namespace
}  // namespace mtlspop::test
