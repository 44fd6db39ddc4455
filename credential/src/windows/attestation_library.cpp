#include "attestation_library.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <iterator>
#include <mutex>
#include <string_view>
#include <utility>

#include <wincrypt.h>

#include <softpub.h>
#include <wintrust.h>

#include <gsl/util>

#include "mtlspop/credential/errors.hpp"
#include "status.hpp"

namespace mtlspop::windows {
namespace {

constexpr wchar_t const* LibraryName = L"AttestationClientLib.dll";
constexpr char const* GetLibrary =
    "Put AttestationClientLib.dll of the package Microsoft.Azure.Security.KeyGuardAttestation beside the program, or "
    "name it "
    "by an absolute path in ATTESTATION_CLIENTLIB_PATH";

using LogFunction =
    void (*)(void* context, char const* tag, int level, char const* function, int line, char const* text);

/// AttestationLogInfo of the library.
struct LogInfo {
  LogFunction Write;
  void* Context;
};

struct ResultText {
  int Result;
  char const* Text;
};

constexpr ResultText ResultTexts[] = {
    {-1, "its HTTP client could not be initialized"},
    {-2, "the attestation service's answer could not be read"},
    {-3, "it got no token of the managed identity"},
    {-4, "the attestation service did not answer through all retries"},
    {-5, "the request to the attestation service failed"},
    {-6, "the attestation service rejected the evidence"},
    {-7, "the request to the attestation service could not be sent"},
    {-8, "its input is not valid"},
    {-9, "a parameter is not valid"},
    {-10, "it ran out of memory"},
    {-11, "it could not find out about the operating system"},
    {-12, "the TPM failed"},
    {-13, "the TPM failed"},
    {-14, "the token could not be decrypted"},
};

constexpr GUID VerifyAction = WINTRUST_ACTION_GENERIC_VERIFY_V2;

/// Microsoft signs under its product root ("Microsoft Root Certificate Authority 2010") or its application root ("... 2011").
/// Windows knows both by their keys, and is asked for each by itself.
bool HasMicrosoftRoot(PCCERT_CHAIN_CONTEXT chain) {
  if (chain == nullptr) {
    return false;
  }
  for (DWORD const flags : {DWORD{0}, DWORD{MICROSOFT_ROOT_CERT_CHAIN_POLICY_CHECK_APPLICATION_ROOT_FLAG}}) {
    CERT_CHAIN_POLICY_PARA wanted{};
    wanted.cbSize = sizeof wanted;
    wanted.dwFlags = flags;
    CERT_CHAIN_POLICY_STATUS found{};
    found.cbSize = sizeof found;
    if (CertVerifyCertificateChainPolicy(CERT_CHAIN_POLICY_MICROSOFT_ROOT, chain, &wanted, &found) != FALSE &&
        found.dwError == 0) {
      return true;
    }
  }
  return false;
}

/// Adds what is known of the first signer, to be asked for before the state is closed.
void FindSigner(HANDLE state, SignatureCheck& check) {
  auto* const provider = WTHelperProvDataFromStateData(state);
  auto* const signer = provider == nullptr ? nullptr : WTHelperGetProvSignerFromChain(provider, 0, FALSE, 0);
  auto* const own = signer == nullptr ? nullptr : WTHelperGetProvCertFromChain(signer, 0);
  if (own != nullptr && own->pCert != nullptr) {
    check.Signer.assign(own->pCert->pbCertEncoded, own->pCert->pbCertEncoded + own->pCert->cbCertEncoded);
    check.HasMicrosoftRoot = HasMicrosoftRoot(signer->pChainContext);
  }
}

class System final : public LibraryFunctions {
 public:
  SignatureCheck VerifySignature(std::filesystem::path const& path, HANDLE file) override {
    WINTRUST_FILE_INFO info{};
    info.cbStruct = sizeof info;
    info.pcwszFilePath = path.c_str();
    info.hFile = file;
    WINTRUST_DATA data{};
    data.cbStruct = sizeof data;
    data.dwUIChoice = WTD_UI_NONE;
    data.fdwRevocationChecks = WTD_REVOKE_NONE;
    data.dwUnionChoice = WTD_CHOICE_FILE;
    data.pFile = &info;
    data.dwStateAction = WTD_STATEACTION_VERIFY;
    data.dwProvFlags = WTD_CACHE_ONLY_URL_RETRIEVAL;
    auto action = VerifyAction;
    auto* const noWindow = static_cast<HWND>(INVALID_HANDLE_VALUE);
    SignatureCheck check;
    check.Status = WinVerifyTrust(noWindow, &action, &data);
    auto const close = gsl::finally([&] {
      data.dwStateAction = WTD_STATEACTION_CLOSE;
      WinVerifyTrust(noWindow, &action, &data);
    });
    if (check.Status == 0) {
      FindSigner(data.hWVTStateData, check);
    }
    return check;
  }
  HMODULE Load(std::filesystem::path const& path, DWORD flags) override {
    return LoadLibraryExW(path.c_str(), nullptr, flags);
  }
  FARPROC Find(HMODULE library, char const* name) override { return GetProcAddress(library, name); }
  void Unload(HMODULE library) override { FreeLibrary(library); }
};

std::filesystem::path BesideTheProgram() {
  std::array<wchar_t, 32768> program{};
  auto const length = GetModuleFileNameW(nullptr, program.data(), static_cast<DWORD>(program.size()));
  return std::filesystem::path{std::wstring_view{program.data(), length}}.replace_filename(LibraryName);
}

/// "C:\folder\file", the file and not one of its streams: neither a share nor a device, and nothing that depends on the
/// current folder or drive.
bool IsOnDrive(std::wstring_view path) {
  constexpr std::size_t afterDrive = 2;
  bool const hasLetter =
      path.size() > afterDrive && ((path[0] >= L'A' && path[0] <= L'Z') || (path[0] >= L'a' && path[0] <= L'z'));
  return hasLetter && path[1] == L':' && (path[2] == L'\\' || path[2] == L'/') &&
         path.find(L':', afterDrive) == std::wstring_view::npos;
}

/// Where an open file really is, all links followed, as LoadLibraryExW takes it; empty where that is not on a drive, or
/// where Windows would read the path as another one's (it takes dots and spaces from the ends of names).
std::filesystem::path FinalPath(HANDLE file) {
  constexpr std::wstring_view prefix = L"\\\\?\\";
  std::vector<wchar_t> text(32768);
  auto const capacity = static_cast<DWORD>(text.size());
  auto length = GetFinalPathNameByHandleW(file, text.data(), capacity, FILE_NAME_NORMALIZED | VOLUME_NAME_DOS);
  std::wstring_view final{text.data(), length < capacity ? length : 0};
  if (final.substr(0, prefix.size()) != prefix) {
    return {};
  }
  std::wstring const path{final.substr(prefix.size())};
  length = GetFullPathNameW(path.c_str(), capacity, text.data(), nullptr);
  bool const isRead = length < capacity && path == std::wstring_view{text.data(), length};
  return isRead && IsOnDrive(path) ? std::filesystem::path{path} : std::filesystem::path{};
}

/// Windows trusts many who may sign programs. Only one of them makes this library.
bool IsNamedMicrosoft(std::vector<std::uint8_t> const& certificate) {
  auto const* const context =
      CertCreateCertificateContext(X509_ASN_ENCODING, certificate.data(), static_cast<DWORD>(certificate.size()));
  if (context == nullptr) {
    return false;
  }
  auto const freeContext = gsl::finally([&] { CertFreeCertificateContext(context); });
  std::array<wchar_t, 256> name{};
  std::string organization{szOID_ORGANIZATION_NAME};
  // The length counts the zero at the end.
  auto const length = CertGetNameStringW(
      context, CERT_NAME_ATTR_TYPE, 0, organization.data(), name.data(), static_cast<DWORD>(name.size()));
  return length > 1 && std::wstring_view{name.data(), length - 1} == L"Microsoft Corporation";
}

void CheckSignature(LibraryFunctions& functions, std::filesystem::path const& path, HANDLE file) {
  auto const check = functions.VerifySignature(path, file);
  if (check.Status != 0) {
    throw Failure(
        errors::AttestationFailed, "The signature of the attestation library is missing or not trusted", check.Status,
        "Get the library from its package again; it was not loaded");
  }
  if (!check.HasMicrosoftRoot || !IsNamedMicrosoft(check.Signer)) {
    throw Error{ErrorDetails{
        errors::AttestationFailed, "The attestation library is signed, but not by Microsoft Corporation",
        "Find out who put this library there, and get it from its package again; it was not loaded"}};
  }
}

/// Verified and loaded while nobody can replace the file in between, nor the folders and links that lead to it matter.
HMODULE LoadVerified(LibraryFunctions& functions, std::filesystem::path const& path) {
  auto* const file =
      CreateFileW(path.c_str(), GENERIC_READ, FILE_SHARE_READ, nullptr, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr);
  if (file == INVALID_HANDLE_VALUE) {
    throw Failure(
        errors::AttestationFailed, "The attestation library cannot be opened",
        static_cast<std::int32_t>(GetLastError()), GetLibrary);
  }
  auto const close = gsl::finally([&] { CloseHandle(file); });
  auto const found = FinalPath(file);
  if (found.empty()) {
    throw Error{ErrorDetails{
        errors::AttestationFailed, "The attestation library is not a file on a drive of this machine",
        "Copy it to a local drive, into a folder that only administrators can write to"}};
  }
  CheckSignature(functions, found, file);
  // Its own dependencies come from its own folder and from System32, from nowhere else.
  auto* const library = functions.Load(found, LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR | LOAD_LIBRARY_SEARCH_SYSTEM32);
  if (library == nullptr) {
    throw Failure(
        errors::AttestationFailed, "The attestation library cannot be loaded",
        static_cast<std::int32_t>(GetLastError()),
        "Check that it is the 64-bit one and that the Visual C++ runtime is installed");
  }
  return library;
}

template <class Function>
void Resolve(LibraryFunctions& functions, HMODULE library, char const* name, Function& function) {
  auto const found = functions.Find(library, name);
  if (found == nullptr) {
    throw Failure(
        errors::AttestationFailed, std::string{"The attestation library has no function "} + name, 0,
        "Get version 1.1 of the package Microsoft.Azure.Security.KeyGuardAttestation");
  }
  // A void (*)(void) is the one type that every function pointer may pass through.
  function = reinterpret_cast<Function>(reinterpret_cast<void (*)()>(found));
}

bool IsBlank(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char character) {
    return character == ' ' || (character >= '\t' && character <= '\r');
  });
}

}  // namespace

/// Lines from threads of the library's own may come at any time, also after whoever made the call has left.
class AttestationLibrary::NativeLog final {
 public:
  explicit NativeLog(Log log) : log_(std::move(log)) {}

  void SetLog(Log const& log) {
    std::lock_guard<std::mutex> const lock{mutex_};
    log_ = log;
  }

  /// The library's own lines, into ours; the logger redacts them, and swallows what its sink throws.
  static void Write(void* context, char const* tag, int level, char const* function, int, char const* text) noexcept {
    auto const observer = static_cast<NativeLog*>(context)->Lock();
    if (!observer) {
      return;
    }
    constexpr Severity levels[] = {Severity::Error, Severity::Warning, Severity::Info, Severity::Debug};
    auto const index = static_cast<std::size_t>(std::clamp(level, 0, 3));
    auto const orEmpty = [](char const* value) { return std::string_view{value == nullptr ? "" : value}; };
    try {
      observer->Tell(
          levels[index], "attestation.native",
          {{"tag", orEmpty(tag)}, {"function", orEmpty(function)}, {"what", orEmpty(text)}});
    } catch (std::exception const&) {
      // There is no memory for the line.
      return;
    }
  }

 private:
  std::shared_ptr<EventSink const> Lock() {
    std::lock_guard<std::mutex> const lock{mutex_};
    return log_.lock();
  }

  std::mutex mutex_;
  Log log_;
};

struct AttestationLibrary::Exports {
  int (*Init)(LogInfo*) = nullptr;
  int (*Attest)(
      char const* endpoint,
      char const* authToken,
      char const* clientPayload,
      NCRYPT_KEY_HANDLE key,
      char** token,
      char const* clientId) = nullptr;
  void (*FreeToken)(char*) = nullptr;
  void (*Uninit)() = nullptr;
  /// The library may keep its address.
  LogInfo Log{};
};

bool IsElevated() noexcept {
  HANDLE token = nullptr;
  // Where Windows does not say, more is assumed.
  if (OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token) == FALSE) {
    return true;
  }
  auto const close = gsl::finally([token] { CloseHandle(token); });
  auto type = TokenElevationTypeFull;
  DWORD length = 0;
  return GetTokenInformation(token, TokenElevationType, &type, sizeof type, &length) == FALSE ||
         type == TokenElevationTypeFull;
}

std::wstring AllowedLibraryPath(wchar_t const* named, bool isElevated) {
  return named == nullptr || isElevated ? L"" : named;
}

std::shared_ptr<LibraryFunctions> SystemLibraries() { return std::make_shared<System>(); }

char const* DescribeAttestationResult(int result) noexcept {
  auto const* const known = std::find_if(
      std::begin(ResultTexts), std::end(ResultTexts), [&](auto const& each) { return each.Result == result; });
  return known == std::end(ResultTexts) ? "it gives no reason that is known here" : known->Text;
}

std::filesystem::path FindAttestationLibrary(std::string const& fromEnvironment) {
  auto path = fromEnvironment.empty() ? BesideTheProgram() : std::filesystem::u8path(fromEnvironment);
  std::error_code ignored;
  return IsOnDrive(path.native()) && std::filesystem::is_regular_file(path, ignored) ? path : std::filesystem::path{};
}

AttestationLibrary::AttestationLibrary(
    std::shared_ptr<LibraryFunctions> functions, std::filesystem::path const& path, Log const& log)
    : functions_(std::move(functions)),
      log_(std::make_unique<NativeLog>(log)),
      library_(LoadVerified(*functions_, path)),
      exports_(std::make_unique<Exports>()) {
  bool isReady = false;
  auto const unload = gsl::finally([&] {
    if (!isReady) {
      functions_->Unload(library_);
    }
  });
  Resolve(*functions_, library_, "InitAttestationLib", exports_->Init);
  Resolve(*functions_, library_, "AttestKeyGuardImportKey", exports_->Attest);
  Resolve(*functions_, library_, "FreeAttestationToken", exports_->FreeToken);
  Resolve(*functions_, library_, "UninitAttestationLib", exports_->Uninit);
  exports_->Log = {&NativeLog::Write, log_.get()};
  if (auto const result = exports_->Init(&exports_->Log); result != 0) {
    throw Failure(
        errors::AttestationFailed,
        std::string{"The attestation library could not be initialized: "} + DescribeAttestationResult(result), result,
        "Check the log lines attestation.native");
  }
  isReady = true;
}

AttestationLibrary::~AttestationLibrary() {
  exports_->Uninit();
  functions_->Unload(library_);
}

Secret AttestationLibrary::Attest(
    std::string const& endpoint, std::string const& clientId, NCRYPT_KEY_HANDLE key, Log const& log) {
  log_->SetLog(log);
  char* token = nullptr;
  auto const freeToken = gsl::finally([&] {
    if (token != nullptr) {
      SecureZeroMemory(token, std::char_traits<char>::length(token));
      exports_->FreeToken(token);
    }
  });
  auto const result = exports_->Attest(endpoint.c_str(), nullptr, nullptr, key, &token, clientId.c_str());
  if (result != 0) {
    throw Failure(
        errors::AttestationFailed, std::string{"The key could not be attested: "} + DescribeAttestationResult(result),
        result,
        "Check that this is a Trusted Launch virtual machine with secure boot, vTPM and virtualization-based security, "
        "that it reaches the attestation endpoint, and the log lines attestation.native");
  }
  if (token == nullptr || IsBlank(token)) {
    throw Failure(
        errors::AttestationFailed, "The attestation library gave an empty token", 0,
        "Check the log lines attestation.native");
  }
  return Secret{std::string_view{token}};
}

}  // namespace mtlspop::windows
