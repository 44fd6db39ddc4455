#include "page.hpp"

#include "digest.hpp"
#include "page_html.hpp"

namespace mtlspop_emulator {
namespace {

// The text between the only <tag> and </tag> of the page.
std::string_view ElementOf(std::string_view page, std::string const& tag) {
  auto const open = "<" + tag + ">";
  auto const start = page.find(open) + open.size();
  return page.substr(start, page.find("</" + tag + ">", start) - start);
}

std::string HashOf(std::string_view text) { return "'sha256-" + Base64Encode(Sha256(text)) + "'"; }

std::string MakePolicy() {
  return "default-src 'none'; script-src " + HashOf(ElementOf(PageHtml(), "script")) + "; style-src " +
         HashOf(ElementOf(PageHtml(), "style")) +
         "; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
         "require-trusted-types-for 'script'; trusted-types 'none'";
}

}  // namespace

Response PageResponse() {
  static std::string const policy = MakePolicy();
  Response response;
  response.Body = PageHtml();
  response.Set("Content-Type", "text/html; charset=utf-8");
  response.Set("Content-Security-Policy", policy);
  response.Set("Cross-Origin-Opener-Policy", "same-origin");
  response.Set("Referrer-Policy", "no-referrer");
  return response;
}

}  // namespace mtlspop_emulator
