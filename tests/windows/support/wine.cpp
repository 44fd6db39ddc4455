#include "wine.hpp"

#include <windows.h>

namespace mtlspop::windows_tests {

bool IsWine() { return GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "wine_get_version") != nullptr; }

}  // namespace mtlspop::windows_tests
