#include "storage_service.hpp"

#include <charconv>
#include <optional>
#include <utility>

#include "blob_list.hpp"
#include "clock.hpp"
#include "digest.hpp"

namespace mtlspop_emulator {
namespace {

constexpr char const Audience[] = "https://storage.azure.com";
constexpr std::string_view HostSuffix = ".blob.core.windows.net";
constexpr std::string_view DiscardPrefix = "/discard/";
constexpr std::string_view GeneratedPrefix = "/generated/";

bool StartsWith(std::string_view text, std::string_view start) { return text.substr(0, start.size()) == start; }

Response StorageError(unsigned status, std::string const& code, std::string const& message) {
  Response response;
  response.Status = status;
  response.Set("Content-Type", "application/xml");
  response.Set("x-ms-error-code", code);
  response.Body = "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>" + code + "</Code><Message>" + message +
                  "</Message></Error>";
  return response;
}

// First and last byte wanted, or nothing where the whole blob is.
std::optional<std::pair<std::uint64_t, std::uint64_t>> RangeOf(Request const& request, std::uint64_t size) {
  auto header = request.Find("x-ms-range");
  header = header.empty() ? request.Find("Range") : header;
  constexpr std::string_view unit = "bytes=";
  if (!StartsWith(header, unit) || size == 0) {
    return std::nullopt;
  }
  header.remove_prefix(unit.size());
  auto const* const end = header.data() + header.size();
  std::uint64_t first = 0;
  std::uint64_t last = size - 1;
  auto const begin = std::from_chars(header.data(), end, first);
  if (begin.ec != std::errc() || begin.ptr == end || *begin.ptr != '-' || first >= size) {
    return std::nullopt;
  }
  std::from_chars(begin.ptr + 1, end, last);
  return std::make_pair(first, std::min(last, size - 1));
}

}  // namespace

bool StorageService::IsFor(Request const& request) {
  auto host = request.Find("Host");
  host = host.substr(0, host.find(':'));
  return host.size() > HostSuffix.size() &&
         EqualsIgnoringCase(host.substr(host.size() - HostSuffix.size()), HostSuffix);
}

bool StorageService::KeepsBody(Request const& request) const { return !StartsWith(request.Path, DiscardPrefix); }

Response StorageService::Handle(Exchange& exchange) {
  auto response = Dispatch(exchange);
  response.Set("x-ms-request-id", RandomGuid());
  response.Set("x-ms-version", "2023-11-03");
  return response;
}

Response StorageService::Dispatch(Exchange& exchange) {
  auto& request = exchange.Incoming;
  auto const checked = _guard.Check(exchange, Audience);
  if (auto const* refusal = std::get_if<ResourceRefusal>(&checked)) {
    exchange.Error = refusal->Code;
    return Refuse(*refusal);
  }
  auto response = Serve(request);
  for (auto const& header : response.Headers) {
    if (header.Name == "x-ms-error-code") {
      exchange.Error = header.Value;
    }
  }
  return response;
}

Response StorageService::Serve(Request& request) {
  bool const reads = request.Method == "GET" || request.Method == "HEAD";
  auto const parameters = request.QueryParameters();
  if (OnlyValueOf(parameters, "restype") == "container") {
    if (request.Method == "GET" && OnlyValueOf(parameters, "comp") == "list") {
      return List(request);
    }
    Response made;
    made.Status = 201;
    return request.Method == "PUT" ? made : StorageError(405, "UnsupportedHttpVerb", "GET with comp=list, or PUT.");
  }
  if (request.Method == "PUT") {
    return Put(request);
  }
  if (request.Method == "DELETE") {
    return Delete(request);
  }
  return reads ? Get(request) : StorageError(405, "UnsupportedHttpVerb", "GET, HEAD, PUT or DELETE.");
}

Response StorageService::Delete(Request const& request) {
  std::lock_guard const lock(_mutex);
  if (_blobs.erase(DecodePath(request.Path)) == 0) {
    return StorageError(404, "BlobNotFound", "The specified blob does not exist.");
  }
  Response response;
  response.Status = 202;
  return response;
}

Response StorageService::List(Request const& request) const {
  auto const container = DecodePath(request.Path).substr(1);
  auto const start = "/" + container + "/";
  BlobSizes blobs;
  {
    std::lock_guard const lock(_mutex);
    for (auto it = _blobs.lower_bound(start); it != _blobs.end() && StartsWith(it->first, start); ++it) {
      blobs.emplace(it->first.substr(start.size()), it->second->size());
    }
  }
  Response response;
  response.Set("Content-Type", "application/xml");
  response.Body =
      BlobListXml("https://" + std::string(request.Find("Host")) + "/", container, request.QueryParameters(), blobs);
  return response;
}

Response StorageService::Refuse(ResourceRefusal const& refusal) const {
  bool const unauthorized = refusal.Status == 401;
  auto response = StorageError(
      refusal.Status, unauthorized ? "NoAuthenticationInformation" : "AuthorizationPermissionMismatch",
      "[" + refusal.Code + "] " + refusal.Message);
  if (unauthorized) {
    std::string challenge = "Bearer authorization_uri=https://login.microsoftonline.com/" +
                            _world.People.DefaultTenant() + "/oauth2/authorize resource_id=" + Audience;
    if (!refusal.ChallengeParameters.empty()) {
      challenge += ", " + refusal.ChallengeParameters;
    }
    response.Set("WWW-Authenticate", challenge);
  }
  return response;
}

Response StorageService::Put(Request& request) {
  auto const name = DecodePath(request.Path);
  if (!IsBlobName(name)) {
    return StorageError(400, "InvalidUri", "A blob's name is UTF-8 without control characters.");
  }
  Response response;
  response.Status = 201;
  response.Set("ETag", "\"" + HexEncode(RandomBytes(8)) + "\"");
  response.Set("Last-Modified", HttpDate(Now()));
  // The emulator's own, so that a test sees that all bytes arrived.
  response.Set("x-emulator-body-size", std::to_string(request.BodySize));
  if (KeepsBody(request)) {
    std::lock_guard const lock(_mutex);
    _blobs[name] = std::make_shared<std::string const>(std::move(request.Body));
  }
  return response;
}

Response StorageService::Get(Request const& request) const {
  Response response;
  response.Set("Content-Type", "application/octet-stream");
  response.Set("x-ms-blob-type", "BlockBlob");
  response.Set("Last-Modified", HttpDate(Now()));
  response.Set("ETag", "\"0x" + HexEncode(Sha256(request.Path).substr(0, 8)) + "\"");
  if (StartsWith(request.Path, GeneratedPrefix)) {
    response.GeneratedSize = std::strtoull(request.Path.c_str() + GeneratedPrefix.size(), nullptr, 10);
    return response;
  }
  std::shared_ptr<std::string const> blob;
  {
    std::lock_guard const lock(_mutex);
    auto const found = _blobs.find(DecodePath(request.Path));
    if (found == _blobs.end()) {
      return StorageError(404, "BlobNotFound", "The specified blob does not exist.");
    }
    blob = found->second;
  }
  if (auto const range = RangeOf(request, blob->size())) {
    response.Status = 206;
    response.Body = blob->substr(range->first, range->second - range->first + 1);
    response.Set(
        "Content-Range", "bytes " + std::to_string(range->first) + "-" + std::to_string(range->second) + "/" +
                             std::to_string(blob->size()));
  } else {
    response.SharedBody = blob;
  }
  return response;
}

}  // namespace mtlspop_emulator
