#pragma once

/// @file
/// The file in which a program finds whom to trust.

#include <string>
#include <string_view>

namespace mtlspop::gateway {

/// Two files in a folder of their own that only this user may enter: the authority of this run alone, and the same with the
/// authorities that the machine trusts. They end with this object.
///
/// Thread safety: immutable.
class CaBundle final {
 public:
  /// @param ownPem the authority of this run
  /// @param systemFile whom the machine trusts; "" for the file of `SSL_CERT_FILE` or OpenSSL's own.
  /// @throw Error `system_failure` where the files cannot be written
  explicit CaBundle(std::string_view ownPem, std::string const& systemFile = {});
  ~CaBundle();
  CaBundle(CaBundle const&) = delete;
  CaBundle& operator=(CaBundle const&) = delete;

  /// Everybody, for variables that replace a program's list (`SSL_CERT_FILE`).
  std::string const& File() const noexcept { return file_; }
  /// The gateway alone, for variables that add to it (`NODE_EXTRA_CA_CERTS`).
  std::string const& OwnFile() const noexcept { return ownFile_; }

 private:
  void Remove() const noexcept;

  std::string folder_;
  std::string file_;
  std::string ownFile_;
};

}  // namespace mtlspop::gateway
