// The text of page/page.html, which the build puts into the program.
#pragma once

#include <string_view>

namespace mtlspop_emulator {

std::string_view PageHtml();

}  // namespace mtlspop_emulator
