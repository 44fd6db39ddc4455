#include "gateway/metrics.hpp"

#include <array>
#include <charconv>
#include <cstddef>
#include <type_traits>
#include <utility>

#include "mtlspop/transport/error.hpp"

namespace mtlspop::gateway {
namespace {

constexpr int FailuresOfTrouble = 3;
constexpr std::size_t MaximumRows = 1000;
// Clients come again and again: a line for each would fill the log.
constexpr std::chrono::seconds NotAcceptedInterval{10};

// Text and numbers, one behind the other, in no country's way of writing them.
class Output final {
 public:
  Output& operator<<(std::string_view text) {
    text_ += text;
    return *this;
  }
  Output& operator<<(char letter) {
    text_ += letter;
    return *this;
  }
  template <class Number, std::enable_if_t<std::is_arithmetic_v<Number>, int> = 0>
  Output& operator<<(Number number) {
    std::array<char, 64> digits{};
    auto const written = std::to_chars(digits.data(), digits.data() + digits.size(), number);
    text_.append(digits.data(), written.ptr);
    return *this;
  }
  std::string Text() && { return std::move(text_); }

 private:
  std::string text_;
};

// A label's value (Prometheus exposition formats, text format).
std::string Quoted(std::string_view text) {
  std::string quoted = "\"";
  for (char const letter : text) {
    if (letter == '\\' || letter == '"') quoted += '\\';
    quoted += letter == '\n' ? std::string{"\\n"} : std::string(1, letter);
  }
  return quoted + '"';
}

void Head(Output& out, char const* name, char const* type, char const* help) {
  out << "# HELP " << name << ' ' << help << "\n# TYPE " << name << ' ' << type << '\n';
}

template <class Value>
void Single(Output& out, char const* name, char const* type, char const* help, Value value) {
  Head(out, name, type, help);
  out << name << ' ' << value << '\n';
}

void Labelled(
    Output& out,
    char const* name,
    char const* label,
    char const* help,
    std::map<std::string, std::uint64_t> const& values) {
  Head(out, name, "counter", help);
  for (auto const& [value, count] : values)
    out << name << '{' << label << '=' << Quoted(value) << "} " << count << '\n';
}

void WritePool(Output& out, PoolStatistics const& pool) {
  Single(out, "mtlspop_pool_idle", "gauge", "Connections to servers that wait for a request.", pool.Idle);
  Single(out, "mtlspop_pool_in_use", "gauge", "Connections to servers that have a request.", pool.InUse);
  Single(out, "mtlspop_pool_waiting", "gauge", "Requests that wait for a connection.", pool.Waiting);
  Single(out, "mtlspop_pool_opened_total", "counter", "Connections to servers that were made.", pool.Opened);
  Single(out, "mtlspop_pool_reused_total", "counter", "Requests that used a connection again.", pool.Reused);
}

}  // namespace

void Metrics::Record(ExchangeRecord const& record) {
  std::lock_guard<std::mutex> const lock{mutex_};
  std::pair<std::string, int> key{record.Origin, record.Status};
  // Of the hosts that `run` answers for there are any number.
  if (requests_.size() >= MaximumRows && requests_.count(key) == 0) key = {"others", 0};
  auto& requests = requests_[key];
  ++requests.Count;
  requests.BytesIn += record.BytesIn;
  requests.BytesOut += record.BytesOut;
  requests.Seconds += std::chrono::duration<double>(record.Duration).count();
  if (!record.ErrorCode.empty()) ++failures_[record.ErrorCode];
  if (!record.IsComplete) ++failures_["client_left"];
}

std::string_view ToString(NotAccepted why) noexcept {
  switch (why) {
    case NotAccepted::TooManyConnections:
      return "too_many_connections";
    case NotAccepted::OwnerNotAllowed:
      return "owner_not_allowed";
    case NotAccepted::NothingLeft:
      break;
  }
  return "nothing_left";
}

std::uint64_t Metrics::RecordNotAccepted(NotAccepted why, std::chrono::steady_clock::time_point now) {
  std::lock_guard<std::mutex> const lock{mutex_};
  auto& unaccepted = unaccepted_[why];
  ++unaccepted.Count;
  if (unaccepted.ToldAt && now - *unaccepted.ToldAt < NotAcceptedInterval) return 0;
  unaccepted.ToldAt = now;
  return unaccepted.Count - std::exchange(unaccepted.Told, unaccepted.Count);
}

void Metrics::RecordToken(std::string const& identity, AccessToken const& token) {
  std::lock_guard<std::mutex> const lock{mutex_};
  ++tokens_[std::string{ToString(token.Source)}];
  tokenFailuresInARow_ = 0;
  if (!token.Binding) return;
  auto& binding = bindings_[identity];
  if (!binding.X5tS256.empty() && binding.X5tS256 != token.Binding->X5tS256()) ++binding.Rotations;
  binding.X5tS256 = token.Binding->X5tS256();
  binding.NotAfter = token.Binding->NotAfter();
}

void Metrics::RecordTokenFailure(std::string_view code) {
  std::lock_guard<std::mutex> const lock{mutex_};
  ++tokenFailures_[std::string{code}];
  // That a client did not wait says nothing of the next.
  if (code == errors::Cancelled.Name()) return;
  lastTokenFailure_ = std::string{code};
  if (tokenFailuresInARow_ < FailuresOfTrouble) ++tokenFailuresInARow_;
}

std::string Metrics::TokenTrouble() const {
  std::lock_guard<std::mutex> const lock{mutex_};
  return tokenFailuresInARow_ < FailuresOfTrouble ? std::string{} : lastTokenFailure_;
}

std::string Metrics::Text(
    std::chrono::system_clock::time_point now, std::size_t connections, PoolStatistics const& pool) const {
  Output out;
  std::lock_guard<std::mutex> const lock{mutex_};
  Head(
      out, "mtlspop_requests_total", "counter",
      "Requests, by where they went and by status; 0 where there was no answer.");
  for (auto const& [key, value] : requests_) {
    out << "mtlspop_requests_total{origin=" << Quoted(key.first) << ",status=\"" << key.second << "\"} " << value.Count
        << '\n';
  }
  Head(out, "mtlspop_request_seconds_total", "counter", "Time from the header of a request to the end of its answer.");
  for (auto const& [key, value] : requests_) {
    out << "mtlspop_request_seconds_total{origin=" << Quoted(key.first) << ",status=\"" << key.second << "\"} "
        << value.Seconds << '\n';
  }
  Labelled(out, "mtlspop_failures_total", "code", "Requests that the gateway answered itself, by code.", failures_);
  Labelled(out, "mtlspop_tokens_total", "source", "Tokens that were used, by where they came from.", tokens_);
  Labelled(out, "mtlspop_token_failures_total", "code", "Tokens that could not be had, by code.", tokenFailures_);
  Head(out, "mtlspop_binding_days_left", "gauge", "Days until the binding certificate of an identity ends.");
  for (auto const& [identity, binding] : bindings_) {
    std::chrono::duration<double, std::ratio<86400>> const left = binding.NotAfter - now;
    out << "mtlspop_binding_days_left{identity=" << Quoted(identity) << "} " << left.count() << '\n';
  }
  Head(out, "mtlspop_binding_rotations_total", "counter", "New binding certificates of an identity since the start.");
  for (auto const& [identity, binding] : bindings_) {
    out << "mtlspop_binding_rotations_total{identity=" << Quoted(identity) << "} " << binding.Rotations << '\n';
  }
  Head(
      out, "mtlspop_connections_not_accepted_total", "counter",
      "Times that a program that wanted to connect did not come in, by reason.");
  for (auto const why : {NotAccepted::TooManyConnections, NotAccepted::OwnerNotAllowed, NotAccepted::NothingLeft}) {
    auto const unaccepted = unaccepted_.find(why);
    out << "mtlspop_connections_not_accepted_total{reason=" << Quoted(ToString(why)) << "} "
        << (unaccepted == unaccepted_.end() ? 0 : unaccepted->second.Count) << '\n';
  }
  Single(out, "mtlspop_client_connections", "gauge", "Connections of programs to the gateway.", connections);
  WritePool(out, pool);
  return std::move(out).Text();
}

}  // namespace mtlspop::gateway
