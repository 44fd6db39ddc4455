// A stand-in for Microsoft's AttestationClientLib.dll: the same exports, and an endpoint that says what happens.

#include <cstdlib>
#include <cstring>
#include <string_view>

#include <windows.h>

#include <ncrypt.h>

namespace {

using LogFunction =
    void (*)(void* context, char const* tag, int level, char const* function, int line, char const* text);

struct LogInfo {
  LogFunction Write;
  void* Context;
};

LogInfo* logInfo = nullptr;
LONG callsInFlight = 0;
LONG mostInFlight = 0;
LONG calls = 0;
LONG liveTokens = 0;
HANDLE entered = CreateEventW(nullptr, FALSE, FALSE, nullptr);
HANDLE released = CreateEventW(nullptr, FALSE, FALSE, nullptr);

char* MakeToken(char const* text) {
  auto* const token = static_cast<char*>(std::malloc(std::strlen(text) + 1));
  std::strcpy(token, text);
  ++liveTokens;
  return token;
}

}  // namespace

extern "C" {

__declspec(dllexport) int InitAttestationLib(LogInfo* info) {
  logInfo = info;
  return 0;
}

/// The last part of `endpoint` says what happens: a number is the result, "empty" and "blank" are such tokens, "hold"
/// says that it is there and waits until the test lets it go on.
__declspec(dllexport) int AttestKeyGuardImportKey(
    char const* endpoint,
    char const* authToken,
    char const* clientPayload,
    NCRYPT_KEY_HANDLE key,
    char** token,
    char const* clientId) {
  auto const now = InterlockedIncrement(&callsInFlight);
  InterlockedIncrement(&calls);
  mostInFlight = now > mostInFlight ? now : mostInFlight;
  logInfo->Write(logInfo->Context, "attest", 2, __func__, __LINE__, "client_assertion=eyJhbGciOiJIUzI1NiJ9.e30.c2ln");
  auto const* const last = std::strrchr(endpoint, '/') + 1;
  if (std::string_view{last} == "hold") {
    SetEvent(entered);
    WaitForSingleObject(released, INFINITE);
    logInfo->Write(logInfo->Context, "attest", 2, __func__, __LINE__, "goes on");
  }
  int result = std::atoi(last);
  if (authToken != nullptr || clientPayload != nullptr || key == 0 || clientId == nullptr) {
    result = -9;
  }
  if (result == 0) {
    bool const isEmpty = std::string_view{last} == "empty";
    bool const isBlank = std::string_view{last} == "blank";
    *token = MakeToken(isEmpty ? "" : isBlank ? " \n" : "eyJhbGciOiJIUzI1NiJ9.e30.c2ln");
  }
  InterlockedDecrement(&callsInFlight);
  return result;
}

__declspec(dllexport) void FreeAttestationToken(char* token) {
  --liveTokens;
  std::free(token);
}

__declspec(dllexport) void UninitAttestationLib() { logInfo = nullptr; }

/// For the test alone.
__declspec(dllexport) HANDLE Entered() { return entered; }
__declspec(dllexport) HANDLE Released() { return released; }
__declspec(dllexport) int LiveTokens() { return liveTokens; }
__declspec(dllexport) int Calls() { return calls; }
__declspec(dllexport) int MostInFlight() { return mostInFlight; }
__declspec(dllexport) int IsInitialized() { return logInfo != nullptr ? 1 : 0; }
}
