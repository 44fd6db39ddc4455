#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "mtlspop/transport/context.hpp"
#include "mtlspop/transport/response.hpp"

namespace mtlspop {

/// How much of an error's body is looked at.
inline constexpr std::size_t PeekedBodyBytes = std::size_t{64} * 1024;

/// The beginning of the body, at most `PeekedBodyBytes`, without taking it from whoever reads the answer next. A body that
/// breaks off shows what came until then; its error reaches the next reader.
std::string PeekBody(Response& response, Context const& context);

/// The same without a thread that waits: `done` gets the beginning. `response` lives until then.
/// @throw std::bad_alloc; `done` is not called then
void PeekBodyAsync(Response& response, Context const& context, std::function<void(std::string_view)> done);

/// Reads what is left of a small body so that its connection can be used again; leaves a large or unknown one alone.
void DrainBody(Response& response, Context const& context) noexcept;

/// The same without a thread that waits; calls `done` once the answer is gone.
void DrainBodyAsync(std::unique_ptr<Response> response, Context const& context, std::function<void()> done);

}  // namespace mtlspop
