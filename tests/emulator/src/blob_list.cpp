#include "blob_list.hpp"

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

namespace mtlspop_emulator {
namespace {

constexpr std::size_t MostResults = 5000;

std::string Escaped(std::string_view text) {
  std::string escaped;
  for (char const c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::string Element(std::string const& name, std::string_view text) {
  return text.empty() ? "<" + name + " />" : "<" + name + ">" + Escaped(text) + "</" + name + ">";
}

std::string BlobXml(std::string const& name, std::uint64_t size) {
  return "<Blob>" + Element("Name", name) + "<Properties>" + Element("Content-Length", std::to_string(size)) +
         Element("Content-Type", "application/octet-stream") + Element("BlobType", "BlockBlob") +
         "</Properties></Blob>";
}

// Blobs, and in the place of those below a delimiter its prefix once, until the page is full.
struct Page {
  std::string Blobs;
  std::string NextMarker;
};

Page MakePage(
    std::string const& prefix,
    std::string const& delimiter,
    std::string const& marker,
    std::size_t atMost,
    BlobSizes const& blobs) {
  Page page;
  std::string group;
  std::size_t count = 0;
  for (auto it = blobs.lower_bound(std::max(prefix, marker)); it != blobs.end(); ++it) {
    auto const& name = it->first;
    if (name.compare(0, prefix.size(), prefix) != 0) {
      break;
    }
    if (!group.empty() && name.compare(0, group.size(), group) == 0) {
      continue;
    }
    if (count++ == atMost) {
      page.NextMarker = name;
      break;
    }
    auto const cut = delimiter.empty() ? std::string::npos : name.find(delimiter, prefix.size());
    if (cut == std::string::npos) {
      page.Blobs += BlobXml(name, it->second);
    } else {
      group = name.substr(0, cut + delimiter.size());
      page.Blobs += "<BlobPrefix>" + Element("Name", group) + "</BlobPrefix>";
    }
  }
  return page;
}

}  // namespace

std::string BlobListXml(
    std::string const& service, std::string const& container, Parameters const& query, BlobSizes const& blobs) {
  auto const value = [&](char const* name) { return OnlyValueOf(query, name).value_or(""); };
  auto const asked = static_cast<std::size_t>(std::strtoull(value("maxresults").c_str(), nullptr, 10));
  auto const atMost = asked == 0 ? MostResults : std::min(asked, MostResults);
  auto const page = MakePage(value("prefix"), value("delimiter"), value("marker"), atMost, blobs);
  std::string xml = "<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ServiceEndpoint=\"" +
                    Escaped(service) + "\" ContainerName=\"" + Escaped(container) + "\">";
  for (auto const& [element, parameter] :
       {std::pair("Prefix", "prefix"),
        {"Marker", "marker"},
        {"MaxResults", "maxresults"},
        {"Delimiter", "delimiter"}}) {
    if (auto const text = value(parameter); !text.empty()) {
      xml += Element(element, text);
    }
  }
  return xml + "<Blobs>" + page.Blobs + "</Blobs>" + Element("NextMarker", page.NextMarker) + "</EnumerationResults>";
}

bool IsBlobName(std::string const& name) {
  bool const printable =
      std::all_of(name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x20; });
  try {
    return printable && !nlohmann::json(name).dump().empty();
  } catch (nlohmann::json::type_error const&) {
    return false;  // No UTF-8.
  }
}

}  // namespace mtlspop_emulator
