#include "verbose.hpp"

#include "mtlspop/transport/redact.hpp"
#include "text.hpp"

namespace mtlspop::command {
namespace {

void WriteFields(std::ostream& out, char const* mark, Headers const& fields) {
  for (auto const& [name, value] : fields) out << mark << Redact(name + ": " + value) << '\n';
}

std::string DescribeConnection(ConnectionInfo const& connection) {
  auto text = "connection " + std::to_string(connection.Id) + (connection.Reused ? ", used again" : "");
  if (!connection.TlsVersion.empty()) text += ", " + connection.TlsVersion + (connection.Resumed ? ", resumed" : "");
  return text + (connection.X5tS256.empty() ? "" : ", for the certificate " + connection.X5tS256);
}

}  // namespace

void Verbose::operator()(Exchange const& exchange) {
  std::lock_guard<std::mutex> const lock{mutex_};
  auto const& target = exchange.Sent.Target;
  auto const isAskedFor = target.GetOrigin() == origin_;
  if (isAskedFor) {
    WriteRequest(exchange);
  } else {
    out_ << "* " << exchange.Sent.Method << ' ' << target.GetOrigin().ToString() << target.Path() << ": "
         << (exchange.Answer != nullptr ? std::to_string(exchange.Answer->StatusCode)
                                        : std::string{exchange.Failure->Code().Name()})
         << " after " << FormatDuration(exchange.Took) << '\n';
  }
  if (exchange.Failure != nullptr) out_ << "* " << exchange.Failure->what() << '\n';
  if (isAskedFor && exchange.Answer != nullptr) WriteAnswer(*exchange.Answer);
  out_.flush();
}

void Verbose::OnEvent(Event const& event) {
  if (event.Name != "request.retried" && event.Name != "service.retried") return;
  std::lock_guard<std::mutex> const lock{mutex_};
  out_ << "* " << event.Text("host") << ": attempt " << event.Number("attempt") + 1 << " follows in "
       << FormatDuration(std::chrono::milliseconds{event.Number("wait_ms")}) << std::endl;
}

void Verbose::WriteRequest(Exchange const& exchange) {
  if (exchange.Answer != nullptr) out_ << "* " << DescribeConnection(exchange.Answer->Connection) << '\n';
  out_ << "> " << exchange.Sent.Method << ' ' << Redact(exchange.Sent.Target.Target()) << " HTTP/1.1\n"
       << "> Host: " << exchange.Sent.Target.HostHeader() << '\n';
  WriteFields(out_, "> ", exchange.Sent.Fields);
  out_ << ">\n";
}

void Verbose::WriteAnswer(Response const& answer) {
  out_ << "< HTTP/1.1 " << answer.StatusCode << ' ' << Redact(answer.ReasonPhrase) << '\n';
  WriteFields(out_, "< ", answer.Fields);
  out_ << "<\n";
}

}  // namespace mtlspop::command
