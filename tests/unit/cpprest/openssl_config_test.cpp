#include "handler_test.hpp"
#include "support/error_code_of.hpp"

namespace mtlspop::cpprest {
namespace {

// The options that a client has only where cpprestsdk's own TLS is OpenSSL's.
TEST_F(HandlerTest, RefusesWhatIsMeantForTheClientsOwnOpenSsl) {
  auto const refused = [&](auto change) {
    http_client_config config;
    change(config);
    return test::ErrorCodeOf([&] { MakeHandler(credential_, Options(config)); });
  };
  auto const invalid = errors::InvalidArgument.Name();
  EXPECT_EQ(refused([](auto& config) { config.set_ssl_context_callback([](auto&) {}); }), invalid);
  EXPECT_EQ(refused([](auto& config) { config.set_tlsext_sni_enabled(false); }), invalid);
}

}  // namespace
}  // namespace mtlspop::cpprest
