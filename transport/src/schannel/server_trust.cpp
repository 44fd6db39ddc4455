#include "schannel/server_trust.hpp"

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <iterator>
#include <optional>
#include <utility>

#include "mtlspop/base/encoding.hpp"
#include "mtlspop/base/windows/wide_text.hpp"
#include "mtlspop/transport/error.hpp"
#include "mtlspop/transport/schannel.hpp"
#include "schannel/authority_certificate.hpp"
#include "schannel/certificate_functions.hpp"
#include "schannel/system_error.hpp"
#include "schannel/winhttp_functions.hpp"

namespace mtlspop::schannel {
namespace {

struct StatusText {
  DWORD Bit;
  char const* Text;
  char const* Action;
};

constexpr StatusText ChainProblems[] = {
    {CERT_TRUST_IS_NOT_TIME_VALID, "a certificate of its chain has expired or is not valid yet",
     "Check the clocks of both machines and have the server's certificate renewed"},
    {CERT_TRUST_IS_REVOKED, "a certificate of its chain was revoked", "Have the server's certificate replaced"},
    {CERT_TRUST_IS_NOT_SIGNATURE_VALID, "a signature in its chain is wrong",
     "Something on the way may be answering in the server's place; check proxies and name resolution"},
    {CERT_TRUST_IS_NOT_VALID_FOR_USAGE, "it may not be used for a TLS server",
     "Have a certificate issued whose extended key usage holds serverAuth"},
    {CERT_TRUST_IS_UNTRUSTED_ROOT, "none of the trusted authorities vouches for it",
     "Check that CaFile or CaPem holds an authority of the server's, and that no proxy opens TLS"},
    {CERT_TRUST_IS_PARTIAL_CHAIN, "none of the trusted authorities vouches for it",
     "Check that CaFile or CaPem holds an authority of the server's, and that the server sends its "
     "intermediates"},
};

/// What is said of a chain that ends below a root that Windows trusts.
constexpr DWORD Unanchored = CERT_TRUST_IS_PARTIAL_CHAIN | CERT_TRUST_IS_UNTRUSTED_ROOT;

[[noreturn]] void Unusable(std::string what) {
  ErrorDetails details{
      errors::TrustStoreUnusable, std::move(what),
      "Check TlsOptions::Trust: the file must be there, readable and in PEM"};
  details.NothingSent = true;
  throw Error{std::move(details)};
}

std::string ReadFile(std::string const& path) {
  std::ifstream file{Widen(path).c_str(), std::ios::binary};
  std::string text{std::istreambuf_iterator<char>{file}, std::istreambuf_iterator<char>{}};
  if (!file.good() && !file.eof()) {
    Unusable("The file \"" + path + "\" could not be read");
  }
  return text;
}

StorePtr OpenMemoryStore() {
  StorePtr store{CertOpenStore(CERT_STORE_PROV_MEMORY, 0, 0, 0, nullptr)};
  if (!store) {
    Unusable("Windows could not make a certificate store: " + DescribeStatus(GetLastError()));
  }
  return store;
}

void AddCertificates(HCERTSTORE store, std::string const& pem, std::string const& where) {
  auto const blocks = DecodePem(pem, "CERTIFICATE");
  for (auto const& der : blocks) {
    if (CertAddEncodedCertificateToStore(
            store, X509_ASN_ENCODING, der.data(), static_cast<DWORD>(der.size()), CERT_STORE_ADD_REPLACE_EXISTING,
            nullptr) == FALSE) {
      Unusable(where + " holds a certificate that cannot be read: " + DescribeStatus(GetLastError()));
    }
  }
  if (blocks.empty()) {
    Unusable(where + " holds no PEM certificate");
  }
}

void AddLists(HCERTSTORE store, std::string const& file) {
  auto const blocks = DecodePem(ReadFile(file), "X509 CRL");
  for (auto const& der : blocks) {
    if (CertAddEncodedCRLToStore(
            store, X509_ASN_ENCODING, der.data(), static_cast<DWORD>(der.size()), CERT_STORE_ADD_ALWAYS, nullptr) ==
        FALSE) {
      Unusable("The file \"" + file + "\" holds a revocation list that cannot be read");
    }
  }
  if (blocks.empty()) {
    Unusable("The file \"" + file + "\" holds no PEM revocation list");
  }
}

/// RFC 5280 section 5.2: a list for some certificates or reasons only, or one of changes, says so in a critical extension.
/// Who is on it is revoked all the same.
bool IsForAll(CRL_INFO const& list) {
  return std::none_of(list.rgExtension, list.rgExtension + list.cExtension, [](CERT_EXTENSION const& extension) {
    return extension.fCritical != FALSE;
  });
}

struct FreeChain {
  void operator()(CERT_CHAIN_CONTEXT const* chain) const noexcept { CertFreeCertificateChain(chain); }
};
using ChainPtr = std::unique_ptr<CERT_CHAIN_CONTEXT const, FreeChain>;

struct FreeList {
  void operator()(CRL_CONTEXT const* list) const noexcept { CertFreeCRLContext(list); }
};
using ListPtr = std::unique_ptr<CRL_CONTEXT const, FreeList>;

}  // namespace

/// Empty where there is none.
struct ServerTrust::Problem {
  std::string What;
  std::string Action;
};

std::vector<std::vector<std::uint8_t>> DecodePem(std::string_view text, std::string_view label) {
  auto const begin = "-----BEGIN " + std::string{label} + "-----";
  auto const end = "-----END " + std::string{label} + "-----";
  std::vector<std::vector<std::uint8_t>> blocks;
  for (auto at = text.find(begin); at != std::string_view::npos; at = text.find(begin, at)) {
    auto const content = at + begin.size();
    auto const stop = text.find(end, content);
    if (stop == std::string_view::npos) {
      blocks.emplace_back();
      break;
    }
    auto der = encoding::FromBase64(text.substr(content, stop - content));
    blocks.push_back(der ? std::move(*der) : std::vector<std::uint8_t>{});
    at = stop;
  }
  return blocks;
}

ServerTrust::ServerTrust(TrustOptions const& options)
    : hasOwnRoots_(!options.CaFile.empty() || !options.CaPem.empty()),
      alsoSystem_(options.UseSystemStore.value_or(!hasOwnRoots_)) {
  if (!hasOwnRoots_ && !alsoSystem_) {
    Unusable("The options trust neither the system's authorities nor any others");
  }
  if (!options.CrlFile.empty()) {
    lists_ = OpenMemoryStore();
    AddLists(lists_.get(), options.CrlFile);
  }
  if (!hasOwnRoots_) {
    return;
  }
  roots_ = OpenMemoryStore();
  if (!options.CaFile.empty()) {
    AddCertificates(roots_.get(), ReadFile(options.CaFile), "The file \"" + options.CaFile + "\"");
  }
  if (!options.CaPem.empty()) {
    AddCertificates(roots_.get(), options.CaPem, "TrustOptions::CaPem");
  }
  CERT_CHAIN_ENGINE_CONFIG config{};
  // The structure as Windows 7 knows it; what was added later is not used.
  config.cbSize = static_cast<DWORD>(
      offsetof(CERT_CHAIN_ENGINE_CONFIG, hExclusiveTrustedPeople) + sizeof config.hExclusiveTrustedPeople);
  config.hExclusiveRoot = roots_.get();
  HCERTCHAINENGINE engine = nullptr;
  if (CertCreateCertificateChainEngine(&config, &engine) == FALSE) {
    Unusable("Windows could not make a chain engine: " + DescribeStatus(GetLastError()));
  }
  engine_.reset(engine);
}

void ServerTrust::Verify(PCCERT_CONTEXT server, std::string const& host) const {
  auto const wideHost = Widen(host);
  Problem problem;
  if (hasOwnRoots_) {
    problem = Check(engine_.get(), server, wideHost);
  }
  if (alsoSystem_ && (!hasOwnRoots_ || !problem.What.empty())) {
    problem = Check(HCCE_CURRENT_USER, server, wideHost);
  }
  if (!problem.What.empty()) {
    ErrorDetails details{
        errors::ServerCertificateRejected, "The certificate of the server at " + host + " was refused: " + problem.What,
        problem.Action};
    details.NothingSent = true;
    throw Error{std::move(details)};
  }
}

ServerTrust::Problem ServerTrust::Check(
    HCERTCHAINENGINE engine, PCCERT_CONTEXT server, std::wstring const& host) const {
  std::string serverAuth = szOID_PKIX_KP_SERVER_AUTH;
  auto* purpose = serverAuth.data();
  CERT_CHAIN_PARA parameters{};
  parameters.cbSize = sizeof parameters;
  parameters.RequestedUsage.dwType = USAGE_MATCH_TYPE_AND;
  parameters.RequestedUsage.Usage.cUsageIdentifier = 1;
  parameters.RequestedUsage.Usage.rgpszUsageIdentifier = &purpose;
  auto const known = AlsoKnown(server);
  CERT_CHAIN_CONTEXT const* built = nullptr;
  // From what the server sends, the options name and the machine has: WinHTTP waits for this callback, and must not wait
  // for a download.
  if (CertGetCertificateChain(
          engine, server, nullptr, known.get(), &parameters, CERT_CHAIN_CACHE_ONLY_URL_RETRIEVAL, nullptr, &built) ==
      FALSE) {
    return {"Windows could not build its chain: " + DescribeStatus(GetLastError()), "Check the server's certificate"};
  }
  ChainPtr const chain{built};
  if (IsAuthorityOfOthers(server)) {
    return {
        "it is one of an authority, which signs other certificates",
        "Check that the server sends its own certificate first"};
  }
  auto const anchor = engine == engine_.get() ? FindAnchor(*chain->rgpChain[0]) : std::nullopt;
  if (auto problem = CheckChain(chain->TrustStatus.dwErrorStatus & ~(anchor ? Unanchored : 0)); !problem.What.empty()) {
    return problem;
  }
  if (auto problem = CheckName(*chain, host, anchor.has_value()); !problem.What.empty()) {
    return problem;
  }
  auto const belowAnchor = anchor.value_or(chain->rgpChain[0]->cElement - 1);
  auto revocation = lists_ == nullptr ? std::string{} : CheckRevocation(*chain->rgpChain[0], belowAnchor);
  return {std::move(revocation), "Renew the lists in TrustOptions::CrlFile, or have the server's certificate replaced"};
}

/// Certificates that its chain may be built of: those that the server sends, and those that the options name, of which one
/// may be an issuing authority that the server leaves out.
StorePtr ServerTrust::AlsoKnown(PCCERT_CONTEXT server) const {
  StorePtr known{CertOpenStore(CERT_STORE_PROV_COLLECTION, 0, 0, 0, nullptr)};
  for (HCERTSTORE const store : {server->hCertStore, static_cast<HCERTSTORE>(roots_.get())}) {
    if (known && store != nullptr) {
      CertAddStoreToCollection(known.get(), store, 0, 0);
    }
  }
  return known;
}

/// Where the chain meets a certificate that the options name, which is trusted as it is: an issuing authority without its
/// root, or the server's own. What stands above it counts no more.
std::optional<DWORD> ServerTrust::FindAnchor(CERT_SIMPLE_CHAIN const& chain) const {
  for (DWORD index = 0; index < chain.cElement; ++index) {
    CertificateContextPtr const same{CertFindCertificateInStore(
        roots_.get(), X509_ASN_ENCODING, 0, CERT_FIND_EXISTING, chain.rgpElement[index]->pCertContext, nullptr)};
    if (same) {
      return index;
    }
  }
  return std::nullopt;
}

ServerTrust::Problem ServerTrust::CheckChain(DWORD status) {
  if (status == CERT_TRUST_NO_ERROR) {
    return {};
  }
  auto const* const known = std::find_if(
      std::begin(ChainProblems), std::end(ChainProblems), [&](auto const& each) { return (status & each.Bit) != 0; });
  return known != std::end(ChainProblems)
             ? Problem{known->Text, known->Action}
             : Problem{"its chain has status " + DescribeStatus(status), "Check the server's certificate"};
}

ServerTrust::Problem ServerTrust::CheckName(
    CERT_CHAIN_CONTEXT const& chain, std::wstring const& host, bool isAnchored) {
  auto name = host;
  SSL_EXTRA_CERT_CHAIN_POLICY_PARA extra{};
  extra.cbSize = sizeof extra;
  extra.dwAuthType = AUTHTYPE_SERVER;
  extra.pwszServerName = name.data();
  extra.fdwChecks = isAnchored ? static_cast<DWORD>(SECURITY_FLAG_IGNORE_UNKNOWN_CA) : 0U;
  CERT_CHAIN_POLICY_PARA policy{};
  policy.cbSize = sizeof policy;
  policy.pvExtraPolicyPara = &extra;
  CERT_CHAIN_POLICY_STATUS result{};
  result.cbSize = sizeof result;
  if (CertVerifyCertificateChainPolicy(CERT_CHAIN_POLICY_SSL, &chain, &policy, &result) == FALSE) {
    return {"Windows could not verify it: " + DescribeStatus(GetLastError()), "Check the server's certificate"};
  }
  if (result.dwError == static_cast<DWORD>(CERT_E_CN_NO_MATCH)) {
    return {"it is for another host", "Check the host name in the URL and where that name resolves to"};
  }
  return result.dwError == 0 ? Problem{} : Problem{DescribeStatus(result.dwError), "Check the server's certificate"};
}

/// RFC 5280 section 6.3, with lists from the file alone: each certificate below the trusted one needs a current one.
std::string ServerTrust::CheckRevocation(CERT_SIMPLE_CHAIN const& chain, DWORD trusted) const {
  for (DWORD index = 0; index < trusted; ++index) {
    auto const* const certificate = chain.rgpElement[index]->pCertContext;
    auto const* const issuer = chain.rgpElement[index + 1]->pCertContext;
    bool hasCurrentList = false;
    CRL_CONTEXT const* next = nullptr;
    while ((next = CertFindCRLInStore(lists_.get(), X509_ASN_ENCODING, 0, CRL_FIND_ANY, nullptr, next)) != nullptr) {
      auto* const info = next->pCrlInfo;
      if (CertCompareCertificateName(X509_ASN_ENCODING, &info->Issuer, &certificate->pCertInfo->Issuer) == FALSE ||
          CertVerifyCRLTimeValidity(nullptr, info) != 0 ||
          CryptVerifyCertificateSignature(
              0, X509_ASN_ENCODING, next->pbCrlEncoded, next->cbCrlEncoded, &issuer->pCertInfo->SubjectPublicKeyInfo) ==
              FALSE) {
        continue;
      }
      hasCurrentList = hasCurrentList || IsForAll(*info);
      CRL_ENTRY* entry = nullptr;
      if (CertFindCertificateInCRL(certificate, next, 0, nullptr, &entry) == FALSE || entry != nullptr) {
        ListPtr const last{next};
        return "a certificate of its chain was revoked";
      }
    }
    if (!hasCurrentList) {
      return "there is no current revocation list for a certificate of its chain";
    }
  }
  return {};
}

}  // namespace mtlspop::schannel
