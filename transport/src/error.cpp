#include "mtlspop/transport/error.hpp"

#include <exception>
#include <utility>

namespace mtlspop {
namespace {

std::string Compose(ErrorDetails const& details) {
  std::string text{details.Code.Name()};
  text += ": " + details.What + ". " + details.Action + ".";
  if (details.HttpStatus != 0) {
    text += " [http_status=" + std::to_string(details.HttpStatus) + "]";
  }
  if (!details.ServiceErrorCode.empty()) {
    text += " [service_error=" + details.ServiceErrorCode + "]";
  }
  if (details.Attempts > 1) {
    text += " [attempts=" + std::to_string(details.Attempts) + "]";
  }
  if (!details.CorrelationId.empty()) {
    text += " [correlation_id=" + details.CorrelationId + "]";
  }
  if (!details.ServiceRequestId.empty()) {
    text += " [request_id=" + details.ServiceRequestId + "]";
  }
  return text;
}

void AppendCauses(std::exception const& error, std::string& text) {
  try {
    std::rethrow_if_nested(error);
  } catch (std::exception const& cause) {
    text += "; caused by: ";
    text += cause.what();
    AppendCauses(cause, text);
  } catch (...) {
    text += "; caused by: something that is not a std::exception";
  }
}

}  // namespace

Error::Error(ErrorDetails details) : std::runtime_error(Compose(details)), details_(std::move(details)) {}

std::string DescribeWithCauses(std::exception const& error) {
  std::string text = error.what();
  AppendCauses(error, text);
  return text;
}

}  // namespace mtlspop
