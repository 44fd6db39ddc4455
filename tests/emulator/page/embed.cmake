# cmake -D page=page.html -D output=page_html.cpp -P embed.cmake: the page as a source file of the emulator.
file(READ ${page} hex HEX)
string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
string(REGEX REPLACE "(................................................................................)" "\\1\n" bytes
                     "${bytes}")
file(
  WRITE ${output}
  "#include \"page_html.hpp\"

namespace mtlspop_emulator {
namespace {

constexpr unsigned char Bytes[] = {
${bytes}};

}  // namespace

std::string_view PageHtml() { return {reinterpret_cast<char const*>(Bytes), sizeof Bytes}; }

}  // namespace mtlspop_emulator
")
