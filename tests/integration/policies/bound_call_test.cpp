// The table of BoundCall, through the library's own pipeline.
#include "mtlspop/policies/bound_pipeline.hpp"
#include "support/bound_call_drivers.hpp"

namespace mtlspop::test {
namespace {

/// A body that can be read once.
class OnceBody final : public BodyStream {
 public:
  std::size_t Read(gsl::span<std::uint8_t> buffer, Context const& context) override {
    return body_.Read(buffer, context);
  }

 private:
  MemoryBody body_{std::string{DrivenBody}};
};

DriverSend MakePipelineDriver(DriverSetup const& setup) {
  BoundPipelineOptions options;
  static_cast<BoundCallOptions&>(options) = setup.Options;
  options.Time = setup.Time;
  auto const pipeline =
      std::make_shared<HttpPipeline>(MakeBoundPipeline(setup.Credential, setup.Transport, std::move(options)));
  return [pipeline](std::string const& method, std::string const& url, TableBody body) {
    PipelineRequest request{{method, Url::Parse(url)}, nullptr};
    if (body == TableBody::Rewindable) request.Message.SetBody(DrivenBody);
    if (body == TableBody::Once) request.Message.Body = std::make_shared<OnceBody>();
    try {
      auto const response = pipeline->Send(request, {});
      ReadToEnd(*response->Body, DefaultBufferedBodyBytes, {});
      return std::to_string(response->StatusCode);
    } catch (Error const& error) {
      return std::string{error.Code().Name()};
    }
  };
}

INSTANTIATE_TEST_SUITE_P(
    Pipeline,
    BoundCallDriver,
    testing::ValuesIn(DrivenRows({{true, true, true, true}, &MakePipelineDriver})),
    &NameOfDrivenRow);

}  // namespace
}  // namespace mtlspop::test
