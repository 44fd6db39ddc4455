// Gets a URL with a certificate-bound token, and then tells what happened: as Prometheus reads it, or to an OpenTelemetry
// collector. A service would do the latter every minute, or the former for whoever asks.

#include <cstdlib>
#include <exception>
#include <iostream>
#include <memory>

#include "metrics.hpp"
#include "mtlspop/credential/managed_identity_credential.hpp"
#include "mtlspop/policies/client.hpp"
#include "mtlspop/transport/log.hpp"

int main(int argc, char** argv) {
  std::string const how = argc == 3 ? argv[1] : "";
  if (how != "prometheus" && how != "opentelemetry") {
    std::cerr << "usage: metrics prometheus|opentelemetry URL\n"
                 "OTEL_EXPORTER_OTLP_ENDPOINT names the collector, http://127.0.0.1:4318 where it is not set.\n";
    return 2;
  }
  try {
    auto const figures = std::make_shared<metrics::MetricsObserver>();
    // Beside the log, where MTLSPOP_LOG asks for one.
    mtlspop::SetDefaultObserver(mtlspop::TellAll({mtlspop::EnvironmentLog(), figures}));
    mtlspop::Client const client{std::make_shared<mtlspop::ManagedIdentityCredential>()};
    auto const answer = client.Get(argv[2], std::chrono::seconds{30});
    if (how == "prometheus") {
      std::cout << metrics::ToPrometheus(figures->Take());
    } else {
      char const* const collector = std::getenv("OTEL_EXPORTER_OTLP_ENDPOINT");
      metrics::ExportToOpenTelemetry(
          collector == nullptr ? "http://127.0.0.1:4318" : collector,
          metrics::ToOpenTelemetry(
              figures->Take(), "metrics-sample", figures->Begun(), std::chrono::system_clock::now()));
    }
    return answer.Status == 200 ? 0 : 1;
  } catch (std::exception const& error) {
    std::cerr << "metrics: " << error.what() << '\n';
    return 1;
  }
}
