// What GET /{container}?restype=container&comp=list answers.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "encoding.hpp"

namespace mtlspop_emulator {

// Names with the sizes of what they hold.
using BlobSizes = std::map<std::string, std::uint64_t>;

// XML of the blobs that the query chooses: prefix, delimiter, marker and maxresults. `service` is https://host/.
std::string BlobListXml(
    std::string const& service, std::string const& container, Parameters const& query, BlobSizes const& blobs);

// Whether a blob can have that name: UTF-8 that XML can carry.
bool IsBlobName(std::string const& name);

}  // namespace mtlspop_emulator
