// lifecycle_program MODE URL CA_FILE
//
// A program that forks, or ends, while it uses a client of cpprestsdk with this library's handler; lifecycle_test.cpp runs
// it. Exit 0: as it should be.

#include <cpprest/http_client.h>
#include <pplx/threadpool.h>

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>

#include "mtlspop/cpprest/handler.hpp"
#include "mtlspop/cpprest/http_exception.hpp"
#include "mtlspop/credential/static_credential.hpp"

// A process that ends amid its requests leaves them behind: LeakSanitizer, where it is linked in, has nothing to tell here.
extern "C" int __lsan_is_turned_off();  // NOLINT(bugprone-reserved-identifier)
extern "C" int __lsan_is_turned_off() { return 1; }

namespace {

using web::http::methods;
using web::http::client::http_client;

std::unique_ptr<http_client> MakeClient(std::string const& url, std::string const& caFile) {
  mtlspop::AccessToken token;
  token.Token = mtlspop::Secret{std::string{"token"}};
  token.Type = mtlspop::TokenType::Bearer;
  token.ExpiresOn = std::chrono::system_clock::now() + std::chrono::hours{1};
  mtlspop::TransportOptions transport;
  transport.Tls.Trust.CaFile = caFile;
  mtlspop::cpprest::HandlerOptions options;
  options.Scopes = {"https://a.example/.default"};
  options.Transport = mtlspop::MakeHttpTransport(transport);
  return std::make_unique<http_client>(mtlspop::cpprest::MakeClient(
      url, std::make_shared<mtlspop::StaticCredential>(token), web::http::client::http_client_config{}, options));
}

bool Works(http_client& client) { return client.request(methods::GET).get().status_code() == 200; }

// The code of the error that a request fails with.
std::string CodeOf(http_client& client) {
  try {
    client.request(methods::GET).get();
  } catch (mtlspop::cpprest::HttpException const& error) {
    return std::string{error.Code().Name()};
  }
  return "none";
}

// How a child ends that does `work`, and is ended by a signal where it takes too long.
template <class Work>
bool IsGoodInChild(Work work) {
  pid_t const child = ::fork();
  if (child == 0) {
    ::alarm(20);
    work();
    ::_exit(1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool isChild = false;

// cpprestsdk's own pool makes its child wait for ever at the end. What runs between that and this library's destructors ends
// the child first.
void EndChildBeforeCpprestsdk() {
  crossplat::threadpool::shared_instance();
  std::atexit([] {
    if (isChild) ::_exit(0);
  });
}

int Run(std::string const& mode, std::string const& url, std::string const& caFile) {
  if (mode == "exit_in_flight") {
    // Never destroyed, as a client that stands in a static object of the application is not before the end.
    static auto& client = *MakeClient(url, caFile).release();
    for (int index = 0; index < 16; ++index) client.request(methods::GET);
    // So that the end meets all steps of a handshake.
    ::usleep(static_cast<useconds_t>(::getpid() % 50) * 200);
    return 0;
  }
  if (mode == "child_first") {
    return IsGoodInChild([&] { ::_exit(Works(*MakeClient(url, caFile)) ? 0 : 1); }) ? 0 : 1;
  }
  EndChildBeforeCpprestsdk();
  static auto const client = MakeClient(url, caFile);
  if (!Works(*client)) return 1;
  if (mode == "child_get") {
    return IsGoodInChild([&] { ::_exit(CodeOf(*client) == "system_failure" ? 0 : 1); }) ? 0 : 1;
  }
  if (mode == "child_new_client") {
    return IsGoodInChild([&] { ::_exit(CodeOf(*MakeClient(url, caFile)) == "system_failure" ? 0 : 1); }) ? 0 : 1;
  }
  if (mode == "child_exit") {
    bool const isGood = IsGoodInChild([] {
      isChild = true;
      std::exit(3);
    });
    return isGood && Works(*client) ? 0 : 1;
  }
  return 2;
}

}  // namespace

int main(int count, char** arguments) {
  ::alarm(60);
  if (count != 4) return 2;
  try {
    return Run(arguments[1], arguments[2], arguments[3]);
  } catch (std::exception const& error) {
    std::cerr << error.what() << '\n';
    return 3;
  }
}
