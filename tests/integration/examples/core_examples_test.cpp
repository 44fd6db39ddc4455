// Each example is included where it stands, names and all, with nothing added but what it presupposes.
#include <chrono>
#include <iostream>
#include <memory>
#include <thread>

#include <gtest/gtest.h>

#include "mtlspop/credential/client_certificate_credential.hpp"
#include "mtlspop/credential/errors.hpp"
#include "mtlspop/credential/managed_identity_credential.hpp"
#include "mtlspop/policies/bound_pipeline.hpp"
#include "mtlspop/policies/client.hpp"
#include "mtlspop/transport/http_transport.hpp"
#include "pointed_at.hpp"
#include "support/error_code_of.hpp"

namespace mtlspop::test {
namespace {

TEST(HeaderExamples, ManagedIdentityGivesABoundToken) {
  Emulator const emulator;
  ScopedEnvironment const environment{PointedAt(emulator)};
#include "examples/managed_identity_credential.inc"
  EXPECT_EQ(token.Type, TokenType::MtlsPop);
  EXPECT_EQ(emulator.ReadSecret(token), 200);
}

TEST(HeaderExamples, ClientReadsAtOnce) {
  Emulator const emulator;
  ScopedEnvironment const environment{PointedAt(emulator)};
#include "examples/client.inc"
  EXPECT_EQ(emulator.Log("vault").back().at("path"), "/secrets/a");
  EXPECT_EQ(answer.Status, 404) << "there is no such secret, and whoever asks may ask";
}

void ReadAClientCertificate(){
#include "examples/client_certificate_credential.inc"
}

TEST(HeaderExamples, ClientCertificateIsReadAtOnce) {
  EXPECT_EQ(ErrorCodeOf(ReadAClientCertificate), errors::ClientCertificateUnusable.Name())
      << "there is no such file here";
}

// Compiled and not run: what they send to is not there, and their transport trusts the system's authorities.

[[maybe_unused]] void SendsTheTokenWithItsCertificate(AccessToken const& token) {
#include "examples/http_transport.inc"
}

[[maybe_unused]] void CancelsFromAnotherThread(std::shared_ptr<HttpTransport> const& transport, Request& request) {
#include "examples/context.inc"
}

[[maybe_unused]] void SendsThroughAPipeline(std::shared_ptr<TokenCredential> const& credential) {
#include "examples/bound_pipeline.inc"
}

[[maybe_unused]] void SaysWhatFailed(HttpPipeline const& pipeline, PipelineRequest& request, Context const& context) {
#include "examples/error.inc"
}

}  // namespace
}  // namespace mtlspop::test
