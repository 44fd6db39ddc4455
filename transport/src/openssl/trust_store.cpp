#include "openssl/trust_store.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "mtlspop/base/openssl/error_queue.hpp"

namespace mtlspop::openssl {
namespace {

/// @throw std::bad_alloc where OpenSSL failed for want of memory: that is nobody's fault
[[noreturn]] void Refuse(std::string what, std::string action) {
  RequireMemory();
  throw Error{ErrorDetails{errors::TrustStoreUnusable, std::move(what), std::move(action)}};
}

/// Reads every object of one kind from PEM and hands it to the store. Returns how many there were, 0 also where what
/// follows one cannot be read: half a file is not trusted.
template <class Ptr, class Read, class Add>
int AddAll(BIO* text, Read read, Add add) {
  int count = 0;
  while (Ptr const object{read(text, nullptr, nullptr, nullptr)}) {
    if (add(object.get()) != 1) {
      return 0;
    }
    ++count;
  }
  auto const reason = ERR_peek_last_error();
  bool const atEnd = ERR_GET_LIB(reason) == ERR_LIB_PEM && ERR_GET_REASON(reason) == PEM_R_NO_START_LINE;
  RequireMemory();
  return atEnd ? count : 0;
}

void AddAuthorities(X509_STORE* store, BIO* text, std::string const& source) {
  auto const add = [store](X509* authority) {
    // Its extensions are read here, once: what could not be read for want of memory would never be read again.
    X509_check_purpose(authority, -1, 0);
    return X509_STORE_add_cert(store, authority);
  };
  if (text == nullptr || AddAll<X509Ptr>(text, PEM_read_bio_X509, add) == 0) {
    Refuse(
        "No certificate authority could be read from " + source,
        "Check that it is there, readable, and holds CERTIFICATE blocks in PEM form");
  }
}

void AddRevocationLists(X509_STORE* store, std::string const& file) {
  BioPtr const text{BIO_new_file(file.c_str(), "r")};
  auto const add = [store](X509_CRL* list) { return X509_STORE_add_crl(store, list); };
  if (!text || AddAll<X509CrlPtr>(text.get(), PEM_read_bio_X509_CRL, add) == 0) {
    Refuse(
        "No certificate revocation list could be read from the file " + file + " (TrustOptions::CrlFile)",
        "Check that it is there, readable, and holds X509 CRL blocks in PEM form");
  }
  X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
}

}  // namespace

X509StorePtr MakeTrustStore(TrustOptions const& options) {
  ERR_clear_error();
  X509StorePtr store{X509_STORE_new()};
  if (!store) {
    Refuse("OpenSSL could not make a trust store", "Check the process's memory");
  }
  // Who names an issuing authority, or the server's own certificate, means that one: it needs no root above it.
  X509_STORE_set_flags(store.get(), X509_V_FLAG_PARTIAL_CHAIN);
  bool const own = !options.CaFile.empty() || !options.CaPem.empty();
  if (options.UseSystemStore.value_or(!own) && X509_STORE_set_default_paths(store.get()) != 1) {
    Refuse(
        "The system's trust store could not be opened",
        "Install the system's certificate authorities (on Debian: ca-certificates), or set TrustOptions::CaFile");
  }
  if (!options.CaFile.empty()) {
    BioPtr const text{BIO_new_file(options.CaFile.c_str(), "r")};
    AddAuthorities(store.get(), text.get(), "the file " + options.CaFile + " (TrustOptions::CaFile)");
  }
  if (!options.CaPem.empty()) {
    BioPtr const text{BIO_new_mem_buf(options.CaPem.data(), static_cast<int>(options.CaPem.size()))};
    AddAuthorities(store.get(), text.get(), "TrustOptions::CaPem");
  }
  if (!options.CrlFile.empty()) {
    AddRevocationLists(store.get(), options.CrlFile);
  }
  ERR_clear_error();
  return store;
}

}  // namespace mtlspop::openssl
