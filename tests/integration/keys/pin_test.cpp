// The PIN of a token that stands in a file.

#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "mtlspop/credential/errors.hpp"
#include "support/error_code_of.hpp"
#include "support/freed_memory.hpp"
#include "support/temporary_directory.hpp"
#include "uri.hpp"

namespace mtlspop::test {
namespace {

class Pkcs11PinFileTest : public testing::Test {
 protected:
  Secret Read(std::string const& content) {
    auto const path = folder_.Path() + "/pin";
    std::ofstream{path, std::ios::binary} << content;
    return pkcs11::Uri{"pkcs11:token=app?pin-source=file:" + path}.Pin();
  }

  TemporaryDirectory folder_;
};

TEST_F(Pkcs11PinFileTest, HoldsOneLine) {
  EXPECT_EQ(Read("1234").Reveal(), "1234");
  EXPECT_EQ(Read("1234\r\n").Reveal(), "1234");
  EXPECT_EQ(ErrorCodeOf([&] { Read(""); }), "key_unavailable");
  EXPECT_EQ(ErrorCodeOf([&] { Read(std::string(5000, '1')); }), "key_unavailable");
  EXPECT_EQ(
      ErrorCodeOf([] { (void)pkcs11::Uri{"pkcs11:token=app?pin-source=file:/nonexistent"}.Pin(); }), "key_unavailable");
}

TEST_F(Pkcs11PinFileTest, LeavesNoCopyBehind) {
  constexpr char const* pin = "pin-that-nobody-may-find-in-freed-memory";
  (void)Read(pin);
  auto const path = folder_.Path() + "/pin";
  pkcs11::Uri const uri{"pkcs11:token=app?pin-source=file:" + path};
  EXPECT_EQ(CountLeftBehind(pin, [&] { (void)uri.Pin(); }), 0);
}

}  // namespace
}  // namespace mtlspop::test
