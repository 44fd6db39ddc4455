#include "connection.hpp"

#include <nlohmann/json.hpp>

#include "channel.hpp"
#include "fault_effects.hpp"
#include "faults.hpp"
#include "http_reader.hpp"
#include "service.hpp"
#include "statistics.hpp"
#include "wire_log.hpp"

namespace mtlspop_emulator {
namespace {

class Conversation {
 public:
  Conversation(int socket, std::uint32_t number, Site const& site, Common const& common)
      : _number(number),
        _site(site),
        _common(common),
        _channel(socket, site.Tls),
        _reader(_channel, common.Settings.BodyLimit) {}

  void Run() {
    if (Handshake()) {
      while (ServeOne()) {
      }
    }
    _channel.End();
  }

 private:
  bool Handshake();
  bool ServeOne();
  bool Receive(Exchange& exchange);
  bool AskForCertificate(Exchange& exchange);
  Response Answer(Exchange& exchange);
  bool Deliver(Exchange const& exchange, Response const& response);
  bool SendBody(Response const& response, bool chunked);
  bool Refuse(ReadResult result);
  bool CutOff(Exchange& exchange);
  void Log(Exchange const& exchange, unsigned status, std::string_view error);

  std::uint32_t const _number;
  Site const& _site;
  Common const& _common;
  Channel _channel;
  HttpReader _reader;
};

bool Conversation::Handshake() {
  if (_site.Tls == nullptr) {
    return true;
  }
  auto const fault = _common.Armed.TakeForHandshake(_site.Name);
  Stopwatch const watch;
  bool const ok = _channel.Accept(fault ? fault->RejectHandshake : std::string());
  if (ok && fault && !_channel.Certificate()) {
    // There was none to refuse: it waits for one, of this connection's or of another's.
    _common.Armed.GiveBack(*fault);
    _channel.RejectCertificate({});
  }
  _common.Counters.CountHandshake(_site.Name, ok, _channel.IsResumed(), watch);
  if (!ok) {
    LogEntry entry;
    entry.Service = _site.Name;
    entry.Method = "TLS";
    entry.Path = "(handshake)";
    entry.Connection = _number;
    entry.TlsVersion = _channel.TlsVersion();
    entry.Error = _channel.Failure();
    if (fault) {
      entry.Error = "fault: handshake rejected";
      entry.Fault = true;
    }
    _common.Log.Add(entry);
  }
  return ok;
}

bool Conversation::Refuse(ReadResult result) {
  if (result != ReadResult::Ended) {
    Response response;
    response.Status = result == ReadResult::TooLarge ? 413 : 400;
    response.Body = result == ReadResult::TooLarge ? "body too large\n" : "malformed request\n";
    _channel.Write(response.Head(false, false) + response.Body);
  }
  return false;
}

bool Conversation::CutOff(Exchange& exchange) {
  Log(exchange, 0, "fault: cut");
  if (exchange.ArmedFault->Reset) {
    _channel.Reset();
  }
  return false;
}

bool Conversation::AskForCertificate(Exchange& exchange) {
  _common.Counters.CountCertificateRequest(_site.Name);
  auto const fault = _common.Armed.TakeForHandshake(_site.Name);
  if (fault) {
    _channel.RejectCertificate(fault->RejectHandshake);
  }
  bool const answered = _channel.FinishAsking(_common.Settings.CertificateWait);
  if (fault && answered) {
    _common.Armed.GiveBack(*fault);
    _channel.RejectCertificate({});
  }
  if (answered) {
    return true;
  }
  if (fault) {
    exchange.ArmedFault = fault;
    Log(exchange, 0, "fault: handshake rejected");
    return false;
  }
  Log(exchange, 0, "no answer to the certificate request: " + _channel.Failure());
  return false;
}

// Head, certificate where the service wants one, body: in this order, so that a large body meets the renegotiation.
bool Conversation::Receive(Exchange& exchange) {
  auto& request = exchange.Incoming;
  auto& service = _site.Behind;
  if (service.IsObserved(request)) {
    exchange.ArmedFault = _common.Armed.Take(service.Name(request), request);
  }
  if (exchange.ArmedFault && exchange.ArmedFault->CutAt == Cut::AfterHead) {
    return CutOff(exchange);
  }
  auto const mode = _common.Settings.ClientCertificate;
  bool const wanted = service.WantsCertificate(request);
  bool const asked = wanted && !_channel.Certificate() && _channel.BeginAsking(mode);
  if (EqualsIgnoringCase(request.Find("Expect"), "100-continue")) {
    if (asked && !AskForCertificate(exchange)) {
      return false;
    }
    _channel.Write("HTTP/1.1 100 Continue\r\n\r\n");
  }
  auto const result = _reader.ReadBody(request, service.KeepsBody(request));
  if (result != ReadResult::Done) {
    Log(exchange, 0, asked ? "connection ended while asked for a certificate" : "incomplete request");
    return Refuse(result);
  }
  if (asked && !AskForCertificate(exchange)) {
    return false;
  }
  unsigned const again = wanted && exchange.ArmedFault ? exchange.ArmedFault->RenegotiateAgain : 0;
  for (unsigned i = 0; i < again && _channel.BeginAsking(mode); ++i) {
    if (!AskForCertificate(exchange)) {
      return false;
    }
  }
  exchange.Certificate = _channel.Certificate();
  return true;
}

Response Conversation::Answer(Exchange& exchange) {
  auto const* fault = exchange.ArmedFault.get();
  if (fault != nullptr) {
    _common.Armed.Wait(*fault);
  }
  Response response;
  if (fault != nullptr && ReplacesResponse(*fault)) {
    response = ReplacementFor(*fault);
    exchange.Error = "fault";
  } else {
    try {
      response = _site.Behind.Handle(exchange);
    } catch (std::exception const& error) {
      response = JsonResponse(500, {{"error", "emulator_failure"}, {"error_description", error.what()}});
      exchange.Error = "emulator_failure";
    }
  }
  if (fault != nullptr) {
    Spoil(*fault, response);
  }
  return response;
}

bool Conversation::ServeOne() {
  Exchange exchange;
  auto const result = _reader.ReadHead(exchange.Incoming);
  if (result != ReadResult::Done) {
    return Refuse(result);
  }
  if (!Receive(exchange)) {
    return false;
  }
  Stopwatch const watch;
  auto const response = Answer(exchange);
  auto const& request = exchange.Incoming;
  if (_site.Behind.IsObserved(request)) {
    _common.Counters.CountRequest(_site.Behind.Name(request), request.Path, response.Status, watch);
    if (exchange.Mismatch) {
      _common.Counters.CountMismatch();
    }
  }
  if (exchange.ArmedFault && exchange.ArmedFault->CutAt == Cut::BeforeResponse) {
    return CutOff(exchange);
  }
  // Before the answer goes out, so that whoever has the answer finds the entry.
  Log(exchange, response.Status, exchange.Error);
  return Deliver(exchange, response);
}

bool Conversation::Deliver(Exchange const& exchange, Response const& response) {
  auto const* fault = exchange.ArmedFault.get();
  bool const chunked = fault != nullptr && fault->Chunked;
  bool const keepAlive = exchange.Incoming.KeepAlive && (fault == nullptr || !fault->CloseAfter);
  bool const head = exchange.Incoming.Method == "HEAD";
  auto text = response.Head(keepAlive, chunked);
  if (fault != nullptr && fault->CutAt == Cut::MidResponse) {
    text += response.Body.substr(0, response.Body.size() / 2);
    _channel.Write(text);
    if (fault->Reset) {
      _channel.Reset();
    }
    return false;
  }
  bool const inOne = !chunked && !response.SharedBody && response.GeneratedSize == 0 && response.Body.size() < 16384;
  if (inOne || head) {
    return _channel.Write(head ? text : text + response.Body) && keepAlive;
  }
  return _channel.Write(text) && SendBody(response, chunked) && keepAlive;
}

bool Conversation::SendBody(Response const& response, bool chunked) {
  if (response.GeneratedSize > 0) {
    std::string const block(64 * 1024, 'x');
    for (auto left = response.GeneratedSize; left > 0;) {
      auto const size = std::min<std::uint64_t>(left, block.size());
      if (!_channel.Write(std::string_view(block).substr(0, size))) {
        return false;
      }
      left -= size;
    }
    return true;
  }
  std::string_view const body = response.SharedBody ? *response.SharedBody : response.Body;
  if (!chunked) {
    return _channel.Write(body);
  }
  // Odd sizes, so that chunks and TLS records do not fall together.
  constexpr std::size_t ChunkSize = 1021;
  for (std::size_t sent = 0; sent < body.size(); sent += ChunkSize) {
    auto const chunk = body.substr(sent, ChunkSize);
    char size[20];
    std::snprintf(size, sizeof size, "%zx\r\n", chunk.size());
    if (!_channel.Write(size + std::string(chunk) + "\r\n")) {
      return false;
    }
  }
  return _channel.Write("0\r\n\r\n");
}

void Conversation::Log(Exchange const& exchange, unsigned status, std::string_view error) {
  auto const& request = exchange.Incoming;
  if (!_site.Behind.IsObserved(request)) {
    return;
  }
  LogEntry entry;
  entry.Service = _site.Behind.Name(request);
  entry.Method = request.Method;
  entry.Path = request.Path;
  entry.Query = request.Query;
  entry.Status = status;
  auto const& certificate = _channel.Certificate();
  entry.X5tS256 = certificate ? std::string_view(certificate->X5tS256) : std::string_view();
  entry.TokenX5tS256 = exchange.TokenX5tS256;
  entry.Scheme = exchange.Scheme;
  entry.Connection = _number;
  entry.TlsVersion = _channel.TlsVersion() != nullptr ? _channel.TlsVersion() : "";
  entry.Resumed = _channel.IsResumed();
  entry.Mismatch = exchange.Mismatch;
  entry.Fault = exchange.ArmedFault != nullptr;
  entry.ClientId = exchange.ClientId;
  entry.IssuedX5tS256 = exchange.IssuedX5tS256;
  entry.Error = error;
  // The token service's name of it, and everybody else's.
  auto const requestId = request.Find("client-request-id");
  entry.ClientRequestId = requestId.empty() ? request.Find("x-ms-client-request-id") : requestId;
  entry.ClientSku = request.Find("x-client-SKU");
  entry.ClientVersion = request.Find("x-client-Ver");
  _common.Log.Add(entry);
}

}  // namespace

void ServeConnection(int socket, std::uint32_t number, Site const& site, Common const& common) {
  common.Counters.CountConnection(site.Name);
  Conversation(socket, number, site, common).Run();
}

}  // namespace mtlspop_emulator
