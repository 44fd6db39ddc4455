// The table of BoundCall, through the library's own pipeline, in both ways of waiting.
#include "mtlspop/policies/bound_pipeline.hpp"
#include "support/bound_call_drivers.hpp"
#include "support/told.hpp"

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

using SendOne = std::function<std::unique_ptr<Response>(HttpPipeline const&, std::shared_ptr<PipelineRequest>)>;

DriverSend MakePipelineDriver(DriverSetup const& setup, SendOne const& send) {
  BoundPipelineOptions options;
  static_cast<BoundCallOptions&>(options) = setup.Options;
  options.Time = setup.Time;
  auto const pipeline =
      std::make_shared<HttpPipeline>(MakeBoundPipeline(setup.Credential, setup.Transport, std::move(options)));
  return [pipeline, send](std::string const& method, std::string const& url, TableBody body) {
    auto const request = std::make_shared<PipelineRequest>(PipelineRequest{{method, Url::Parse(url)}, nullptr});
    if (body == TableBody::Rewindable) request->Message.SetBody(DrivenBody);
    if (body == TableBody::Once) request->Message.Body = std::make_shared<OnceBody>();
    try {
      auto const response = send(*pipeline, request);
      ReadToEnd(*response->Body, DefaultBufferedBodyBytes, {});
      return std::to_string(response->StatusCode);
    } catch (Error const& error) {
      return std::string{error.Code().Name()};
    }
  };
}

DriverSend MakeBlockingDriver(DriverSetup const& setup) {
  return MakePipelineDriver(setup, [](HttpPipeline const& pipeline, std::shared_ptr<PipelineRequest> const& request) {
    return pipeline.Send(*request, {});
  });
}

DriverSend MakeAsynchronousDriver(DriverSetup const& setup) {
  return MakePipelineDriver(setup, [](HttpPipeline const& pipeline, std::shared_ptr<PipelineRequest> const& request) {
    Told<std::unique_ptr<Response>> const told;
    pipeline.SendAsync(request, {}, told.Done());
    return told.Wait();
  });
}

INSTANTIATE_TEST_SUITE_P(
    Pipeline,
    BoundCallDriver,
    testing::ValuesIn(DrivenRows({{true, true, true, true}, &MakeBlockingDriver})),
    &NameOfDrivenRow);

INSTANTIATE_TEST_SUITE_P(
    AsynchronousPipeline,
    BoundCallDriver,
    testing::ValuesIn(DrivenRows({{true, true, true, true}, &MakeAsynchronousDriver})),
    &NameOfDrivenRow);

}  // namespace
}  // namespace mtlspop::test
