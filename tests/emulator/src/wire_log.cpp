#include "wire_log.hpp"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "http_message.hpp"

namespace mtlspop_emulator {
namespace {

std::int64_t NowMs() {
  auto const now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

}  // namespace

WireLog::WireLog(std::size_t limit) : _limit(limit) {}

WireLog::TextId WireLog::Intern(std::string_view text) {
  auto const found = _textIds.find(text);
  if (found != _textIds.end()) {
    return found->second;
  }
  auto const id = static_cast<TextId>(_texts.size());
  _texts.emplace_back(text);
  _textsAsJson.push_back(text.empty() ? "null" : JsonText(std::string(text)));
  _textIds.emplace(_texts.back(), id);
  return id;
}

void WireLog::Add(LogEntry const& entry) {
  std::lock_guard const lock(_mutex);
  ++_last;
  if (_limit == 0) {
    return;
  }
  if (_entries.size() == _limit) {
    _entries.pop_front();
  }
  Stored stored{};
  stored.Number = _last;
  stored.TimeMs = NowMs();
  stored.ClientRequestId = entry.ClientRequestId;
  stored.Service = Intern(entry.Service);
  stored.Method = Intern(entry.Method);
  stored.Path = Intern(entry.Path);
  stored.Query = Intern(entry.Query);
  stored.X5tS256 = Intern(entry.X5tS256);
  stored.TokenX5tS256 = Intern(entry.TokenX5tS256);
  stored.Scheme = Intern(entry.Scheme);
  stored.TlsVersion = Intern(entry.TlsVersion);
  stored.Error = Intern(entry.Error);
  stored.Connection = entry.Connection;
  stored.Status = static_cast<std::uint16_t>(entry.Status);
  stored.Resumed = entry.Resumed;
  stored.Mismatch = entry.Mismatch;
  stored.Fault = entry.Fault;
  stored.ClientId = Intern(entry.ClientId);
  stored.IssuedX5tS256 = Intern(entry.IssuedX5tS256);
  stored.ClientSku = Intern(entry.ClientSku);
  stored.ClientVersion = Intern(entry.ClientVersion);
  _entries.push_back(std::move(stored));
}

void WireLog::Clear() {
  std::lock_guard const lock(_mutex);
  _entries.clear();
  _textIds.clear();
  _textsAsJson.clear();
  _texts.clear();
}

void WireLog::AppendText(std::string& out, char const* name, TextId text) const {
  out.append(",\"").append(name).append("\":").append(_textsAsJson[text]);
}

void WireLog::AppendJson(std::string& out, Stored const& entry) const {
  out += "{\"n\":" + std::to_string(entry.Number);
  out += ",\"time_ms\":" + std::to_string(entry.TimeMs);
  AppendText(out, "service", entry.Service);
  AppendText(out, "method", entry.Method);
  AppendText(out, "path", entry.Path);
  AppendText(out, "query", entry.Query);
  out += ",\"status\":" + std::to_string(entry.Status);
  AppendText(out, "x5t_s256", entry.X5tS256);
  AppendText(out, "token_x5t_s256", entry.TokenX5tS256);
  AppendText(out, "token_type", entry.Scheme);
  out += ",\"connection\":" + std::to_string(entry.Connection);
  AppendText(out, "tls_version", entry.TlsVersion);
  out += entry.Resumed ? ",\"resumed\":true" : ",\"resumed\":false";
  out += entry.Mismatch ? ",\"mismatch\":true" : ",\"mismatch\":false";
  out += entry.Fault ? ",\"fault\":true" : ",\"fault\":false";
  AppendText(out, "client_id", entry.ClientId);
  AppendText(out, "issued_x5t_s256", entry.IssuedX5tS256);
  AppendText(out, "error", entry.Error);
  AppendText(out, "client_sku", entry.ClientSku);
  AppendText(out, "client_version", entry.ClientVersion);
  out += ",\"client_request_id\":";
  out += entry.ClientRequestId.empty() ? "null" : JsonText(entry.ClientRequestId);
  out += "}";
}

std::string WireLog::ToJson(std::uint64_t since, std::string const& service) const {
  std::lock_guard const lock(_mutex);
  std::string out = "[";
  for (auto const& entry : _entries) {
    if (entry.Number <= since || (!service.empty() && _texts[entry.Service] != service)) {
      continue;
    }
    if (out.size() > 1) {
      out += ",\n";
    }
    AppendJson(out, entry);
  }
  return out + "]";
}

std::string WireLog::NewestToJson(std::uint64_t since, std::size_t atMost) const {
  std::lock_guard const lock(_mutex);
  auto const inside = [&](Stored const& entry) { return entry.Number <= since; };
  auto const first = std::partition_point(_entries.begin(), _entries.end(), inside);
  auto const count = std::min(static_cast<std::size_t>(_entries.end() - first), atMost);
  std::string out = "[";
  for (auto entry = _entries.end() - static_cast<std::ptrdiff_t>(count); entry != _entries.end(); ++entry) {
    out += out.size() > 1 ? ",\n" : "";
    AppendJson(out, *entry);
  }
  return out + "]";
}

std::pair<std::uint64_t, std::uint64_t> WireLog::Numbers() const {
  std::lock_guard const lock(_mutex);
  return {_entries.empty() ? _last + 1 : _entries.front().Number, _last};
}

}  // namespace mtlspop_emulator
