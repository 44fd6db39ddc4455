#include "azure_observer.hpp"

#include <atomic>
#include <memory>

#include <azure/core/internal/diagnostics/log.hpp>

#include "mtlspop/transport/log.hpp"
#include "mtlspop/transport/observer.hpp"
#include "token_span.hpp"

namespace mtlspop::azure {
namespace {

using Azure::Core::Diagnostics::Logger;
using Azure::Core::Diagnostics::_internal::Log;

Logger::Level LevelOf(Severity severity) noexcept {
  switch (severity) {
    case Severity::Debug:
      return Logger::Level::Verbose;
    case Severity::Info:
      return Logger::Level::Informational;
    case Severity::Warning:
      return Logger::Level::Warning;
    case Severity::Error:
      break;
  }
  return Logger::Level::Error;
}

/// The listener of Azure's log is a static object, and a thread of ours may have something to tell when it is gone already.
std::atomic<bool>& IsProcessEnding() noexcept {
  static std::atomic<bool> isEnding{false};
  return isEnding;
}

class AzureObserver final : public Observer {
 public:
  void OnEvent(Event const& event) override {
    AddToSpanOfThisThread(event);
    auto const level = LevelOf(event.Severity);
    if (!IsProcessEnding() && Log::ShouldWrite(level)) Log::Write(level, "mtlspop: " + ToLine(event));
  }

  // There is no severity for "nothing": an error is put together and then not written.
  Severity Minimum() const noexcept override {
    auto least = IsInSpanOnThisThread() ? Severity::Info : Severity::Error;
    for (auto const severity : {Severity::Warning, Severity::Info, Severity::Debug}) {
      if (severity < least && Log::ShouldWrite(LevelOf(severity))) least = severity;
    }
    return least;
  }
};

struct Feeding {
  Feeding() { AddObserver(std::make_shared<AzureObserver>()); }
  // Runs before the listener is destroyed, which was made before main().
  ~Feeding() { IsProcessEnding() = true; }
};

}  // namespace

void FeedAzure() { static Feeding const feeding; }

}  // namespace mtlspop::azure
