#pragma once

/// @file
/// A locale in which letters and numbers are others than in protocols: the small form of "I" is no "i", and a number has a
/// comma.

#include <clocale>
#include <cstdlib>
#include <locale>
#include <stdexcept>
#include <string>

#include "temporary_directory.hpp"

namespace mtlspop::test {

/// The process's locale for the life of this object, made for the test from the system's sources.
class TurkishLocale final {
 public:
  TurkishLocale() {
    auto const command = "localedef -i tr_TR -f UTF-8 " + directory_.PathOf("tr_TR.UTF-8") + " >/dev/null 2>&1";
    // It ends with 1 where it has warnings.
    static_cast<void>(std::system(command.c_str()));
    ::setenv("LOCPATH", directory_.Path().c_str(), 1);
    isSet_ = std::setlocale(LC_ALL, "tr_TR.UTF-8") != nullptr;
    if (!isSet_) return;
    std::locale::global(std::locale{"tr_TR.UTF-8"});
    auto const isTurkish = std::tolower('I', std::locale{}) != 'i' &&
                           std::use_facet<std::numpunct<char>>(std::locale{}).decimal_point() == ',';
    if (!isTurkish) throw std::runtime_error{"this locale shows nothing"};
  }
  ~TurkishLocale() {
    std::locale::global(std::locale::classic());
    std::setlocale(LC_ALL, "C");
    ::unsetenv("LOCPATH");
  }
  TurkishLocale(TurkishLocale const&) = delete;
  TurkishLocale& operator=(TurkishLocale const&) = delete;

  bool IsSet() const noexcept { return isSet_; }

 private:
  TemporaryDirectory directory_;
  bool isSet_ = false;
};

}  // namespace mtlspop::test
