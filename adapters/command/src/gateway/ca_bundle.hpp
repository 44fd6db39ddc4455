#pragma once

/// @file
/// The files in which a program finds whom to trust.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mtlspop::gateway {

/// Files in a folder of their own that only this user may enter, one for each variable in which programs are told whom to trust:
/// whom it names in this process's environment, or else whom the machine trusts, and the authority of this run. They end with
/// this object.
///
/// Thread safety: immutable.
class CaBundle final {
 public:
  /// @param ownPem the authority of this run
  /// @throw Error `system_failure` where the files cannot be written
  explicit CaBundle(std::string_view ownPem);
  ~CaBundle();
  CaBundle(CaBundle const&) = delete;
  CaBundle& operator=(CaBundle const&) = delete;

  /// The variables, with the file of each.
  std::vector<std::pair<std::string, std::string>> const& Variables() const noexcept { return variables_; }

 private:
  std::string Keep(std::string const& name, std::string const& text);
  void Add(std::string const& variable, std::string const& usual, std::string_view ownPem);
  void Remove() const noexcept;

  std::string folder_;
  std::vector<std::string> files_;
  std::vector<std::pair<std::string, std::string>> variables_;
};

}  // namespace mtlspop::gateway
