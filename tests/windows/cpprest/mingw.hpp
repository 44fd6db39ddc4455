// What cpprestsdk's headers and sources take for granted from Microsoft's compiler and mingw-w64 has elsewhere or not at all.
// run.sh puts it in front of the others when it cross-builds cpprestsdk, so that whoever includes these has it, too.
#pragma once

// Before SafeInt3.hpp includes it within a namespace.
#include <assert.h>
#include <crtdbg.h>
#include <intrin.h>
#include <malloc.h>
#include <share.h>
#include <stdlib.h>
#include <wchar.h>

#include <string>

#define _ReturnAddress() __builtin_return_address(0)
#define __assume(condition) static_cast<void>((condition) ? 0 : (__builtin_unreachable(), 0))
#define WININET_E_INCORRECT_HANDLE_STATE static_cast<long>(0x80072EF3)

// msvcrt.dll has the one for narrow strings alone. What is read is the number of a JSON text: ASCII, and its end is known.
inline double cpprest_wcstod_l(wchar_t const* text, wchar_t** /*end*/, _locale_t locale) {
  std::string narrow;
  for (; *text != L'\0'; ++text) narrow += static_cast<char>(*text);
  return _strtod_l(narrow.c_str(), nullptr, locale);
}
#define _wcstod_l cpprest_wcstod_l
