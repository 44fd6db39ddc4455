#include "gateway/status_site.hpp"

#include <utility>

#include "gateway/answer_head.hpp"

namespace mtlspop::gateway {
namespace {

std::unique_ptr<Response> PlainAnswer(int status, std::string text, char const* type = "text/plain; charset=utf-8") {
  Headers fields;
  fields.Set("Content-Type", type);
  fields.Set("Cache-Control", "no-store");
  return TextAnswer(status, std::move(fields), std::move(text));
}

}  // namespace

StatusSite::StatusSite(Sources sources, std::uint16_t port)
    : sources_(std::move(sources)), port_(port == 0 ? "" : std::to_string(port)) {}

void StatusSite::Handle(std::shared_ptr<Exchange> exchange) {
  auto const& head = exchange->Head();
  bool const isOurs =
      port_.empty() || head.Host == "127.0.0.1:" + port_ || EqualsIgnoreCase(head.Host, "localhost:" + port_);
  if (!isOurs) {
    return exchange->Refuse(
        {403, "host_mismatch", "The request's Host is another than the gateway's", "Call it by its loopback address"});
  }
  if ((head.Method != "GET" && head.Method != "HEAD") || head.HasBody()) {
    return exchange->Refuse({405, "method_not_allowed", "There is nothing to be changed here", "Send GET"});
  }
  if (head.Target == "/live") return exchange->Answer(PlainAnswer(200, "live\n"));
  if (head.Target == "/ready") {
    auto const why = sources_.WhyNotReady();
    return exchange->Answer(PlainAnswer(why.empty() ? 200 : 503, why.empty() ? "ready\n" : why + "\n"));
  }
  if (head.Target == "/metrics") {
    return exchange->Answer(PlainAnswer(200, sources_.MetricsText(), "text/plain; version=0.0.4; charset=utf-8"));
  }
  exchange->Refuse({404, "not_found", "There is no such page here", "Ask for /live, /ready or /metrics"});
}

}  // namespace mtlspop::gateway
