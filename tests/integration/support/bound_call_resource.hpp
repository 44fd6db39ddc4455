#pragma once

/// @file
/// A resource that does what the table of `BoundCall` says (bound_call_table.hpp), over TLS.

#include <algorithm>
#include <deque>
#include <iterator>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bound_call_table.hpp"
#include "scripted_server.hpp"
#include "test_certificate_authority.hpp"

namespace mtlspop::test {

/// Asks for the client's certificate in the first handshake, and does one `Came` after the other.
///
/// Thread safety: all members may be called from any thread.
class TableResource final {
 public:
  explicit TableResource(IssuedCertificate certificate)
      : server_(Options(std::move(certificate)), [this](ScriptedConnection& connection) { Serve(connection); }) {}

  std::string Url(std::string_view target) const { return server_.Url(target); }

  void Play(std::vector<Came> const& script) {
    std::lock_guard<std::mutex> const lock{mutex_};
    script_.clear();
    // What no key could sign for never comes here.
    std::copy_if(script.begin(), script.end(), std::back_inserter(script_), [](Came const& came) {
      return came.What != Came::Kind::KeyUnusable;
    });
  }
  bool HasPlayedAll() const {
    std::lock_guard<std::mutex> const lock{mutex_};
    return script_.empty();
  }

  /// What arrived, and the `x5t#S256` of the certificate of its connection.
  using Arrived = std::pair<ReceivedRequest, std::string>;
  /// Since the last time this was asked.
  std::vector<Arrived> TakeRequests() {
    std::lock_guard<std::mutex> const lock{mutex_};
    return std::exchange(requests_, {});
  }
  std::size_t Connections() const { return server_.ConnectionCount(); }

 private:
  ScriptedServerOptions Options(IssuedCertificate certificate) {
    ScriptedServerOptions options;
    options.Host = "localhost";
    options.Tls.emplace();
    options.Tls->Certificate = std::move(certificate);
    options.Tls->Ask = AskInHandshake::Yes;
    options.Tls->RefusesNext = [this] { return RefusesCertificate(); };
    return options;
  }

  bool RefusesCertificate() {
    std::lock_guard<std::mutex> const lock{mutex_};
    auto const refuses = !script_.empty() && script_.front().What == Came::Kind::CertificateRefused;
    if (refuses) script_.pop_front();
    return refuses;
  }

  // 599 where nothing was expected any more.
  Came Next(ReceivedRequest request, std::string x5tS256) {
    std::lock_guard<std::mutex> const lock{mutex_};
    requests_.emplace_back(std::move(request), std::move(x5tS256));
    if (script_.empty()) return {Came::Kind::Answer, 599};
    auto next = script_.front();
    script_.pop_front();
    return next;
  }

  void Serve(ScriptedConnection& connection) {
    while (auto request = connection.TryReadRequest()) {
      auto const came = Next(std::move(*request), connection.Facts().X5tS256);
      if (came.What != Came::Kind::Answer) return connection.Reset();
      connection.Answer(came.Status, came.Body, came.Field.empty() ? "" : came.Field + ": " + came.FieldValue + "\r\n");
    }
  }

  mutable std::mutex mutex_;
  std::deque<Came> script_;
  std::vector<Arrived> requests_;
  // Last: its threads use what is above.
  ScriptedServer server_;
};

}  // namespace mtlspop::test
