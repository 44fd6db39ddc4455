#pragma once

/// @file
/// One source for the tests of both ways of sending.

#include <memory>

#include "mtlspop/policies/client.hpp"
#include "support/either_way.hpp"

namespace mtlspop::test {

/// Sends `request` in the way that this run is for.
inline std::unique_ptr<Response> SendEitherWay(
    HttpPipeline const& pipeline, PipelineRequest& request, Context const& context) {
  if (!IsAsynchronous()) return pipeline.Send(request, context);
  Told<std::unique_ptr<Response>> const told;
  pipeline.SendAsync({std::shared_ptr<void>{}, &request}, context, told.Done());
  return told.Wait();
}

inline ClientAnswer SendEitherWay(Client const& client, Request request, Context const& context) {
  if (!IsAsynchronous()) return client.Send(std::move(request), context);
  Told<ClientAnswer> const told;
  client.SendAsync(std::move(request), context, told.Done());
  return told.Wait();
}

}  // namespace mtlspop::test
