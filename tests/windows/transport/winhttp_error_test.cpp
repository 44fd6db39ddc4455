// Every number of WinHTTP's has a meaning and something to do about it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schannel/winhttp_error.hpp"
#include "schannel/winhttp_functions.hpp"

namespace mtlspop::windows_tests {
namespace {

using schannel::RequestProgress;
using schannel::TranslateWinHttpError;
using testing::HasSubstr;

RequestProgress To(char const* host) {
  RequestProgress progress;
  progress.Host = host;
  return progress;
}

TEST(WinHttpErrorTest, EveryNumberThatWinHttpHasIsKnown) {
  constexpr DWORD numbers[] = {12001, 12002, 12004, 12005, 12006, 12007, 12009, 12011, 12012, 12015, 12017,
                               12018, 12019, 12029, 12030, 12032, 12037, 12038, 12044, 12045, 12057, 12100,
                               12101, 12102, 12103, 12150, 12152, 12153, 12154, 12155, 12156, 12157, 12166,
                               12167, 12169, 12170, 12172, 12175, 12176, 12177, 12178, 12179, 12180, 12181,
                               12182, 12183, 12184, 12185, 12186, 12187, 12188, 12190, 12191, 12192};
  for (auto const number : numbers) {
    auto const error = TranslateWinHttpError(number, To("example.com"));
    EXPECT_THAT(error.Details().What, testing::Not(HasSubstr("Windows reports"))) << number;
    EXPECT_THAT(error.Details().What, HasSubstr("example.com: ")) << number;
    EXPECT_FALSE(error.Details().Action.empty()) << number;
  }
}

TEST(WinHttpErrorTest, EveryTlsFailureBitIsTold) {
  struct Case {
    DWORD Bit;
    char const* Text;
  };
  constexpr Case cases[] = {
      {WINHTTP_CALLBACK_STATUS_FLAG_CERT_REV_FAILED, "could not be found out whether"},
      {WINHTTP_CALLBACK_STATUS_FLAG_INVALID_CERT, "is invalid"},
      {WINHTTP_CALLBACK_STATUS_FLAG_CERT_REVOKED, "was revoked"},
      {WINHTTP_CALLBACK_STATUS_FLAG_INVALID_CA, "no trusted authority"},
      {WINHTTP_CALLBACK_STATUS_FLAG_CERT_CN_INVALID, "another host"},
      {WINHTTP_CALLBACK_STATUS_FLAG_CERT_DATE_INVALID, "expired"},
      {WINHTTP_CALLBACK_STATUS_FLAG_CERT_WRONG_USAGE, "may not be used for a TLS server"},
  };
  for (auto const& each : cases) {
    auto progress = To("example.com");
    progress.SecureFailure = each.Bit;
    auto const error = TranslateWinHttpError(ERROR_WINHTTP_SECURE_FAILURE, progress);
    EXPECT_EQ(error.Code(), errors::ServerCertificateRejected);
    EXPECT_THAT(error.Details().What, HasSubstr(each.Text));
  }
  auto progress = To("example.com");
  progress.SecureFailure = WINHTTP_CALLBACK_STATUS_FLAG_SECURITY_CHANNEL_ERROR;
  EXPECT_EQ(TranslateWinHttpError(ERROR_WINHTTP_SECURE_FAILURE, progress).Code(), errors::TlsHandshakeFailed);
}

TEST(WinHttpErrorTest, ALostConnectionNamesRenegotiationOnlyWhereABoundRequestWasOnItsWay) {
  for (DWORD const code : {static_cast<DWORD>(ERROR_WINHTTP_CONNECTION_ERROR), static_cast<DWORD>(WSAECONNRESET)}) {
    auto progress = To("example.com");
    EXPECT_EQ(TranslateWinHttpError(code, progress).Code(), errors::ConnectionLost);
    progress.IsBound = true;
    EXPECT_EQ(TranslateWinHttpError(code, progress).Code(), errors::ConnectionLost);
    progress.WasSending = true;
    EXPECT_EQ(TranslateWinHttpError(code, progress).Code(), errors::ConnectionLostDuringBinding);
    progress.HasAnswer = true;
    EXPECT_EQ(TranslateWinHttpError(code, progress).Code(), errors::ConnectionLost);
  }
}

RequestProgress BoundTo(char const* host) {
  auto progress = To(host);
  progress.IsBound = true;
  return progress;
}

TEST(WinHttpErrorTest, AHandshakeOfABoundRequestThatFailsIsMostOftenARefusedBindingAndSaysWhatElseItMayBe) {
  for (DWORD const code :
       {static_cast<DWORD>(ERROR_WINHTTP_SECURE_CHANNEL_ERROR), static_cast<DWORD>(ERROR_WINHTTP_SECURE_FAILURE)}) {
    auto progress = BoundTo("example.com");
    progress.SecureFailure = WINHTTP_CALLBACK_STATUS_FLAG_SECURITY_CHANNEL_ERROR;
    auto const error = TranslateWinHttpError(code, progress);
    EXPECT_EQ(error.Code(), errors::BindingCertificateRejected);
    EXPECT_THAT(error.Details().What, HasSubstr("does not say why"));
    EXPECT_THAT(error.Details().Action, HasSubstr("server's certificate"));
    EXPECT_THAT(error.Details().Action, HasSubstr("TLS version"));
    progress.HasAnswer = true;
    EXPECT_EQ(TranslateWinHttpError(code, progress).Code(), errors::TlsHandshakeFailed);
  }
  EXPECT_EQ(
      TranslateWinHttpError(ERROR_WINHTTP_SECURE_CHANNEL_ERROR, BoundTo("example.com")).Code(),
      errors::BindingCertificateRejected);
  EXPECT_EQ(
      TranslateWinHttpError(ERROR_WINHTTP_SECURE_CHANNEL_ERROR, To("example.com")).Code(), errors::TlsHandshakeFailed);
}

TEST(WinHttpErrorTest, AServerCertificateThatWasRefusedStaysThatHoweverTheChannelFailed) {
  auto progress = BoundTo("example.com");
  progress.SecureFailure = WINHTTP_CALLBACK_STATUS_FLAG_SECURITY_CHANNEL_ERROR;
  EXPECT_EQ(TranslateWinHttpError(ERROR_WINHTTP_SECURE_INVALID_CA, progress).Code(), errors::ServerCertificateRejected);
  progress.SecureFailure |= WINHTTP_CALLBACK_STATUS_FLAG_INVALID_CA;
  for (DWORD const code :
       {static_cast<DWORD>(ERROR_WINHTTP_SECURE_CHANNEL_ERROR), static_cast<DWORD>(ERROR_WINHTTP_SECURE_FAILURE),
        DWORD{0x80090327}}) {
    auto const error = TranslateWinHttpError(code, progress);
    EXPECT_EQ(error.Code(), errors::ServerCertificateRejected) << code;
    EXPECT_THAT(error.Details().What, HasSubstr("no trusted authority"));
  }
}

TEST(WinHttpErrorTest, AKeyThatSChannelCannotUseIsToldAsSuch) {
  for (DWORD const code : {0x8009030EUL, 0x8009030DUL, 0x80090016UL, 0x8009000DUL, 0x8009000BUL}) {
    auto const error = TranslateWinHttpError(code, BoundTo("example.com"));
    EXPECT_EQ(error.Code(), errors::PrivateKeyUnusable) << std::hex << code;
    EXPECT_THAT(error.Details().Action, HasSubstr("reboot"));
    EXPECT_THAT(error.Details().What, HasSubstr("0x8009"));
    EXPECT_EQ(TranslateWinHttpError(code, To("example.com")).Code(), errors::SystemFailure) << "there is no key";
  }
  EXPECT_EQ(TranslateWinHttpError(0x80090327, BoundTo("example.com")).Code(), errors::BindingCertificateRejected);
  EXPECT_EQ(TranslateWinHttpError(0x80090327, To("example.com")).Code(), errors::TlsHandshakeFailed);
}

TEST(WinHttpErrorTest, AnUnknownNumberIsShownAsItIs) {
  auto const error = TranslateWinHttpError(0x8009030F, To("example.com"));
  EXPECT_EQ(error.Code(), errors::SystemFailure);
  EXPECT_THAT(error.Details().What, HasSubstr("0x8009030F"));
}

TEST(WinHttpErrorTest, WhatWasNotSentSaysSo) {
  auto progress = To("example.com");
  EXPECT_TRUE(TranslateWinHttpError(ERROR_WINHTTP_CANNOT_CONNECT, progress).Details().NothingSent);
  progress.WasSending = true;
  EXPECT_FALSE(TranslateWinHttpError(ERROR_WINHTTP_TIMEOUT, progress).Details().NothingSent);
}

}  // namespace
}  // namespace mtlspop::windows_tests
