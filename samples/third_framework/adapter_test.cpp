// The table of BoundCall, through the adapter that docs/guidance-for-higher-level-sdks.md explains.
#include <mtlspop/adapter_kit/bound_call_drivers.hpp>

#include "bound_client.hpp"

namespace mtlspop::test {
namespace {

DriverSend MakeThirdFrameworkDriver(DriverSetup const& setup) {
  BoundPipelineOptions options;
  static_cast<BoundCallOptions&>(options) = setup.Options;
  options.Time = setup.Time;
  auto const client =
      std::make_shared<third_framework::BoundClient>(setup.Credential, setup.Transport, std::move(options));
  return [client](std::string const& method, std::string const& url, TableBody body) {
    auto const path = url.find('/', std::string{"https://"}.size());
    third_framework::Request request;
    request.method_string(method);
    request.target(url.substr(path));
    if (body != TableBody::None) request.body() = DrivenBody;
    try {
      return std::to_string(client->Send(url.substr(0, path), request, {}).result_int());
    } catch (boost::beast::system_error const& error) {
      std::string const what = error.what();
      return what.substr(0, what.find(':'));
    }
  };
}

INSTANTIATE_TEST_SUITE_P(
    ThirdFramework,
    BoundCallDriver,
    testing::ValuesIn(DrivenRows({{true, true, false, true}, &MakeThirdFrameworkDriver})),
    &NameOfDrivenRow);

}  // namespace
}  // namespace mtlspop::test
