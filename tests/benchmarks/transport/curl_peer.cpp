#include <stdexcept>
#include <string>

#include <curl/curl.h>

#include "transport/peer.hpp"

namespace mtlspop::bench {
namespace {

std::size_t Discard(char* /*bytes*/, std::size_t size, std::size_t count, void* /*user*/) { return size * count; }

class CurlPeer final : public Peer {
 public:
  explicit CurlPeer(Scenario const& scenario) : easy_(curl_easy_init(), &curl_easy_cleanup) {
    auto* const easy = easy_.get();
    auto const url = "https://localhost:" + std::to_string(scenario.Port) + scenario.Path;
    curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_CAINFO, scenario.CaFile.c_str());
    curl_easy_setopt(easy, CURLOPT_SSLCERT, scenario.CertificateFile.c_str());
    curl_easy_setopt(easy, CURLOPT_SSLKEY, scenario.PrivateKeyFile.c_str());
    // The highest version stands in the upper half of the number.
    long const version = scenario.Tls13 ? CURL_SSLVERSION_TLSv1_3 : CURL_SSLVERSION_TLSv1_2;
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, version << 16 | version);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_1_1});
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Discard);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, scenario.NewConnections ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, scenario.Resume || !scenario.NewConnections ? 1L : 0L);
  }

  void Get() override {
    auto const result = curl_easy_perform(easy_.get());
    if (result != CURLE_OK) {
      throw std::runtime_error(std::string{"libcurl: "} + curl_easy_strerror(result));
    }
  }

 private:
  std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> easy_;
};

}  // namespace

std::unique_ptr<Peer> MakeCurlPeer(Scenario const& scenario) { return std::make_unique<CurlPeer>(scenario); }

}  // namespace mtlspop::bench
