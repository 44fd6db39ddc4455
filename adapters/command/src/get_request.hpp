#pragma once

/// @file
/// From curl's options to a request.

#include <istream>
#include <string>
#include <vector>

#include "mtlspop/transport/request.hpp"

namespace mtlspop::command {

/// What the options of `get` say of the request.
struct GetRequestOptions {
  std::string Url;
  /// "" for the usual one.
  std::string Method;
  /// "Name: value", "Name:" (without), "Name;" (empty), "@file".
  std::vector<std::string> Headers;
  /// Joined by "&". "@file" is a file's content without its line ends, "@-" standard input's.
  std::vector<std::string> Data;
  std::vector<std::string> DataRaw;
  /// "@file" is streamed as it is.
  std::string DataBinary;
  std::string Json;
  /// A file that is streamed; "-" for standard input.
  std::string UploadFile;
  bool IsHead = false;
};

/// @param in standard input; must live as long as the request
/// @throw Error `usage`, `url_malformed`, `read_failed`
Request MakeGetRequest(GetRequestOptions const& options, std::istream& in);

}  // namespace mtlspop::command
