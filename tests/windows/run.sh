#!/usr/bin/env bash
# Cross-builds the library, its Windows tests and the emulator with mingw-w64 and runs the tests under Wine, against the
# emulator under the same Wine. `./dev windows` calls this; arguments go to the test programs, for example
# --gtest_filter='WinHttp*'. Exit 0: everything passed.
#
# With "dll" before them the library is built as a DLL too, and a program over it is run.
#
# MTLSPOP_WINDOWS_BUILD names another build folder than build/windows. CMAKE_PREFIX_PATH leads to an Azure SDK that was built
# for Windows (docs/windows.md); without one its adapter is left out.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
build=${MTLSPOP_WINDOWS_BUILD:-$root/build/windows}
prefix=$build/prefix
with_dll=0
if [ "${1:-}" = dll ]; then
  with_dll=1
  shift
fi
wine=/usr/lib/wine/wine64
tests=(windows_common_test windows_credential_test windows_unit_test windows_winhttp_test windows_road_test
  windows_cng_test windows_cpprest_test windows_e2e_test)
emulator_pid=
renegotiating_pid=

say() { printf '== %s\n' "$*" >&2; }

fail() {
  printf 'tests/windows/run.sh: %s\n' "$*" >&2
  exit 1
}

as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -- "$@"; fi; }

install_packages() {
  local package missing=()
  for package in cmake ninja-build g++ openssl libssl-dev libboost-dev libmsgsl-dev nlohmann-json3-dev googletest make perl \
    g++-mingw-w64-x86-64-posix libz-mingw-w64-dev wine64 wine; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  say "installing ${missing[*]}"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

launcher=()
if command -v ccache >/dev/null; then
  launcher=(-D CMAKE_CXX_COMPILER_LAUNCHER=ccache)
fi

# The archive, not the DLL.
zlib=(-D ZLIB_INCLUDE_DIR=/usr/x86_64-w64-mingw32/include -D ZLIB_LIBRARY=/usr/x86_64-w64-mingw32/lib/libz.a)

build_emulator() {
  # By itself and without GoogleTest, as somebody builds it who wants nothing else of the project.
  say "building the emulator for Windows"
  cmake -S "$root/tests/emulator" -B "$build/emulator" -G Ninja --toolchain "$root/cmake/mingw-w64.cmake" \
    -D CMAKE_CXX_FLAGS=-O1 -D MTLSPOP_WINDOWS_PREFIX="$prefix" -D OPENSSL_USE_STATIC_LIBS=ON \
    -D CMAKE_DISABLE_FIND_PACKAGE_GTest=ON "${launcher[@]}" >"$build/log"
  cmake --build "$build/emulator" --target mtlspop-emulator -j "$(nproc)" >"$build/log"
}

build_googletest() {
  [ -e "$prefix/lib/cmake/GTest/GTestConfig.cmake" ] && return
  say "building googletest for Windows"
  cmake -S /usr/src/googletest -B "$build/googletest" -G Ninja --toolchain "$root/cmake/mingw-w64.cmake" \
    -D CMAKE_CXX_FLAGS=-O1 -D CMAKE_CXX_STANDARD=17 -D CMAKE_INSTALL_PREFIX="$prefix" "${launcher[@]}" >"$build/log"
  cmake --build "$build/googletest" --target install -j "$(nproc)" >"$build/log"
}

# What is in no package for Windows: from the sources that Debian has, the newest version whose archive can be had whole,
# unpacked into build/windows/NAME/source. The lists of sources are this function's own, in the build folder, made from the
# machine's lists, which are left as they are.
fetch_source() {
  local package=$1 folder=$2 lists list version
  rm -rf "$folder/parts"
  mkdir -p "$folder/lists/partial" "$folder/parts"
  : >"$folder/sources.list"
  for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    if [ -e "$list" ]; then sed -n 's/^deb /deb-src /p' "$list" >>"$folder/sources.list"; fi
  done
  for list in /etc/apt/sources.list.d/*.sources; do
    if [ -e "$list" ]; then sed 's/^Types:.*/Types: deb-src/' "$list" >"$folder/parts/${list##*/}"; fi
  done
  lists=(-o "Dir::Etc::SourceList=$folder/sources.list" -o "Dir::Etc::SourceParts=$folder/parts"
    -o "Dir::State::Lists=$folder/lists" -o "Dir::Cache::srcpkgcache=$folder/srcpkgcache.bin"
    -o "Dir::Cache::pkgcache=$folder/pkgcache.bin" -o Debug::NoLocking=1)
  # A list of somebody else may have no sources; what counts is whether one of them has this package's.
  apt-get "${lists[@]}" update -qq || true
  for version in $(apt-cache "${lists[@]}" showsrc "$package" | sed -n 's/^Version: //p' | sort -rVu); do
    if (cd "$folder" && apt-get "${lists[@]}" source --only-source --download-only --tar-only -qq "$package=$version"); then
      break
    fi
    # Half of an archive, which would be taken for the newest.
    rm -f "$folder/${package}_"*.orig.tar.gz
  done
  rm -rf "$folder/sources.list" "$folder/parts" "$folder/lists"
  rm -rf "$folder/source" && mkdir "$folder/source"
  tar -xzf "$(ls -v "$folder/${package}_"*.orig.tar.gz | tail -n 1)" -C "$folder/source" --strip-components=1
}

build_openssl() {
  [ -e "$prefix/lib/libssl.a" ] && return
  # What neither TLS 1.2 and 1.3 nor certificates want, so that it takes half the time.
  local left_out=(no-engine no-module no-legacy no-dtls no-cmp no-cms no-ct no-ts no-srp no-sctp no-comp no-rfc3779
    no-aria no-bf no-camellia no-cast no-des no-idea no-md4 no-mdc2 no-rc2 no-rc4 no-rmd160 no-seed no-siv no-sm2 no-sm3 no-sm4
    no-whirlpool no-gost no-ocb no-psk no-srtp no-ssl3 no-tls1 no-tls1_1)
  say "building OpenSSL for Windows (some minutes, once)"
  fetch_source openssl "$build/openssl" >"$build/log" 2>&1 || return 1
  (cd "$build/openssl/source" &&
    ./Configure mingw64 --cross-compile-prefix=x86_64-w64-mingw32- no-shared no-tests "${left_out[@]}" -O1 \
      --prefix="$prefix" --libdir=lib &&
    make -j "$(nproc)" build_libs && make install_dev) >"$build/log" 2>&1
}

# As a client over WinHTTP whose tasks are its own: no listener, no websockets. What the headers and sources want of
# Microsoft's compiler is mended here; cpprest/mingw.hpp has the rest.
mend_cpprest() {
  local header
  cp "$root/tests/windows/cpprest/mingw.hpp" include/cpprest/details/mingw.hpp
  for header in SDKDDKVer VersionHelpers Wincrypt; do
    echo "#include <${header,,}.h>" >"src/pch/$header.h"
  done
  sed -i -e 's/^#if _MSC_VER >= 1900/#if 1/' -e '0,/^#pragma once/s//#pragma once\n#include "cpprest\/details\/mingw.hpp"/' \
    include/cpprest/details/cpprest_compat.h
  sed -i '/^#/!s/C_ASSERT(\(.*\));/static_assert(\1, "");/' include/cpprest/details/SafeInt3.hpp
  sed -i -e 's/^    __try$/    if (true)/' -e 's/^    __except (.*)$/    else/' src/pplx/pplxwin.cpp
  sed -i 's/\[fInfo->m_bufsize \* char_size\]/[static_cast<size_t>(fInfo->m_bufsize * char_size)]/' \
    src/streams/fileio_win32.cpp
  sed -i 's/-std=c++11/-std=c++17/' CMakeLists.txt
  sed -i -e '/http\/listener\//d' -e 's/Winhttp\.lib/winhttp/' -e 's/\(bcrypt\|crypt32\)\.lib/\1/' \
    -e 's/\(pplxwin.cpp pplx\/pplx.cpp\) pplx\/threadpool.cpp.*)/\1)/' src/CMakeLists.txt
}

build_cpprest() {
  [ -e "$prefix/lib/cmake/cpprestsdk/cpprestsdk-config.cmake" ] && return
  say "building cpprestsdk for Windows"
  local folder=$build/cpprest
  fetch_source cpprest "$folder" >"$build/log" 2>&1 || return 1
  (cd "$folder/source/Release" && mend_cpprest) >"$build/log" 2>&1 || return 1
  # Leaving websockets out would leave out decompression too, but for the definition.
  cmake -S "$folder/source/Release" -B "$folder/build" -G Ninja --toolchain "$root/cmake/mingw-w64.cmake" \
    -D CMAKE_CXX_FLAGS="-O1 -w -DCPPREST_HTTP_COMPRESSION" -D CMAKE_INSTALL_PREFIX="$prefix" -D CMAKE_INSTALL_LIBDIR=lib \
    "${zlib[@]}" -D BUILD_SHARED_LIBS=OFF -D BUILD_TESTS=OFF \
    -D BUILD_SAMPLES=OFF -D WERROR=OFF -D CPPREST_EXCLUDE_WEBSOCKETS=ON -D CPPREST_PPLX_IMPL=winpplx \
    -D CPPREST_HTTP_LISTENER_IMPL=none "${launcher[@]}" >"$build/log" 2>&1 &&
    cmake --build "$folder/build" --target install -j "$(nproc)" >"$build/log" 2>&1
}

build_library() {
  say "building the library and its tests for Windows"
  local elsewhere=${CMAKE_PREFIX_PATH:+;${CMAKE_PREFIX_PATH//:/;}}
  # The Azure SDK is looked for anew each time: it may be gone.
  (cd "$root" && cmake --preset windows -B "$build" -D MTLSPOP_WINDOWS_PREFIX="$prefix$elsewhere" \
    -D MTLSPOP_BUILD_CPPREST=ON -D MTLSPOP_BUILD_AZURE=ON -U 'azure-*_DIR' "${zlib[@]}" "${launcher[@]}") >"$build/log" || return 1
  sed -n 's/^-- \(.*azure.* left out\)$/   \1; CMAKE_PREFIX_PATH may name an SDK that was built for Windows/p' "$build/log" >&2
  cmake --build "$build" -j "$(nproc)" >"$build/log"
}

# Whether the library's build found this part of the Azure SDK.
has_azure() { grep -q "^azure-$1-cpp_DIR:PATH=/" "$build/CMakeCache.txt"; }

# The core as a DLL, and a program that finds it as an installed package.
build_dll() {
  say "building the library as a DLL, and a program over it"
  # Without optimisation: it costs less, and nothing that is looked for in the DLL is optimised away.
  local common=(-G Ninja --toolchain "$root/cmake/mingw-w64.cmake" -D BUILD_SHARED_LIBS=ON "${launcher[@]}")
  cmake -S "$root" -B "$build/dll/library" "${common[@]}" -D CMAKE_INSTALL_PREFIX="$build/dll/prefix" \
    -D MTLSPOP_BUILD_TESTS=OFF -D MTLSPOP_BUILD_SAMPLES=OFF -D MTLSPOP_BUILD_CPPREST=OFF -D MTLSPOP_BUILD_AZURE=OFF \
    -D CMAKE_DISABLE_FIND_PACKAGE_OpenSSL=ON \
    -D CMAKE_PROJECT_mtlspop_INCLUDE="$root/tests/windows/dll/precompiled.cmake" >"$build/log" &&
    cmake --build "$build/dll/library" --target shared-libraries -j "$(nproc)" >"$build/log" &&
    cmake --install "$build/dll/library" >"$build/log" &&
    cmake -S "$root/tests/windows/dll" -B "$build/dll/program" "${common[@]}" \
      -D MTLSPOP_WINDOWS_PREFIX="$prefix;$build/dll/prefix" >"$build/log" &&
    cmake --build "$build/dll/program" -j "$(nproc)" >"$build/log"
}

# Without parameters, since std::size_t and others have other names on Windows.
plain_names() { c++filt | sed -E 's/\(.*//' | sort -u; }

# What a program may look for in the DLL: every function that the library exports on Linux, but for OpenSSL's side and what only
# the library itself sees of its classes.
wanted_functions() {
  awk '/^[^ *#]/ { core = $1 == "libmtlspop.so.0" } core && /^ _ZN(K|R|O|KR)?7/ { sub(/@.*/, ""); print $1 }' \
    "$root/cmake/packages/libmtlspop0.symbols" | plain_names |
    grep -vE '^mtlspop::openssl::|[Ss]ign(er|ing|ature)|::(Impl|State|Held|Entry|Channel|Attempt)::'
}

# And the static members that headers define; see policies/src/windows/static_members.cpp.
wanted_members() {
  grep -rhoE '^  static constexpr [^(=]+ [A-Z][A-Za-z0-9]*( =|\{)' "$root"/{transport,credential,policies}/include |
    sed -E 's/.* ([A-Za-z0-9]+)( =|\{)$/\1/'
}

# The DLL exports names of mtlspop alone, exports.map says which, and all that a program may look for.
check_exports() {
  local dll=$build/dll/prefix/bin/libmtlspop-0.dll exported names mine others missing
  exported=$(x86_64-w64-mingw32-objdump -p "$dll" |
    awk '/^\[Ordinal\/Name Pointer\] Table/ { inside = 1 } inside && /^$/ { exit } inside && /\[ *[0-9]+\]/ { print $NF }')
  mine=$(sed -nE 's/^ +(_Z[^;]*);$/^\1/p' "$root/cmake/exports.map" | sed -e 's/\*$//' -e 's/\*/.*/g' | paste -sd '|')
  others=$(grep -vE "$mine" <<<"$exported" || true)
  [ -z "$others" ] || fail "$dll exports what is not mtlspop's: $(c++filt <<<"$others")"
  names=$(plain_names <<<"$exported")
  missing=$(comm -23 <(wanted_functions) - <<<"$names")
  [ -z "$missing" ] || fail "$dll lacks $missing"
  for missing in $(wanted_members); do
    grep -q "::$missing$" <<<"$names" || fail "$dll lacks the static member $missing"
  done
}

# The log of the last step that failed says why.
step() {
  "$@" || {
    cat "$build/log" >&2
    fail "$* failed"
  }
}

# A Wine of this build folder's own: nobody's files or registry are touched.
start_wine() {
  export WINEPREFIX=$build/wine WINEARCH=win64 WINEDEBUG=${WINEDEBUG:--all} WINEDLLOVERRIDES='mscoree,mshtml='
  unset DISPLAY
  if [ ! -e "$WINEPREFIX/system.reg" ]; then
    say "setting Wine up"
    mkdir -p "$WINEPREFIX"
    "$wine" wineboot -i >"$build/log" 2>&1 || fail "Wine could not be set up; see $build/log"
  fi
}

stop_emulators() {
  local pid
  for pid in $renegotiating_pid $emulator_pid; do
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  renegotiating_pid=
  emulator_pid=
}

stop() {
  stop_emulators
  if [ -n "${WINEPREFIX:-}" ]; then
    /usr/lib/wine/wineserver64 -k 2>/dev/null || true
    # Of emulators that were killed.
    rm -rf "$WINEPREFIX"/drive_c/users/*/Temp/mtlspop-emulator-*
  fi
}
trap stop EXIT

# Starts the emulator; its startup line comes into a file.
launch_emulator() {
  local line=$1 tries
  shift
  rm -f "$line"
  "$wine" "$build/emulator/mtlspop-emulator.exe" "$@" >"$line" </dev/null &
  for tries in $(seq 600); do
    [ -s "$line" ] && return
    kill -0 $! 2>/dev/null || fail "the emulator did not start"
    sleep 0.1
  done
  fail "the emulator printed no startup line after $tries tries"
}

# Wine's SChannel can answer neither a renegotiation nor post-handshake authentication, and matches no IP addresses in
# certificates.
for_schannel=(--client-certificate handshake --sts-endpoint-name westeurope.mtlsauth.microsoft.com)

start_emulators() {
  launch_emulator "$build/emulator.json" "${for_schannel[@]}"
  emulator_pid=$!
  # OpenSSL answers renegotiations under Wine too: the emulator as it is by itself.
  launch_emulator "$build/renegotiating.json"
  renegotiating_pid=$!
  MTLSPOP_EMULATOR=$(head -n 1 "$build/emulator.json")
  MTLSPOP_RENEGOTIATING_EMULATOR=$(head -n 1 "$build/renegotiating.json")
  export MTLSPOP_EMULATOR MTLSPOP_RENEGOTIATING_EMULATOR
}

# The emulator's own side of being a program of Windows: the environment it gives, and the status it ends with.
check_emulator_runs_programs() {
  local text status=0
  text=$(timeout 120 "$wine" "$build/emulator/mtlspop-emulator.exe" run --quiet -- \
    cmd /c 'echo %AZURE_POD_IDENTITY_AUTHORITY_HOST% %MTLSPOP_CA_FILE%& exit 7' | tr -d '\r') || status=$?
  [ "$status" = 7 ] || fail "mtlspop-emulator run -- cmd /c 'exit 7' ended with $status"
  [[ $text =~ ^http://127\.0\.0\.1:[0-9]+\ [A-Z]:.*ca\.pem$ ]] || fail "mtlspop-emulator run gave the program: $text"
  status=0
  timeout 120 "$wine" "$build/emulator/mtlspop-emulator.exe" run --quiet -- no-such-program 2>"$build/log" || status=$?
  [ "$status" = 127 ] || fail "mtlspop-emulator run -- no-such-program ended with $status"
}

# Wine is more forgiving than Windows, whose ncrypt.dll has no functions of bcrypt.dll. And no DLL of OpenSSL is wanted: where it is used, it is linked in.
check_imports() {
  local program imports
  for program in "$build"/tests/windows/*.exe "$build"/tests/windows/*/*.exe "$build"/emulator/*.exe "$build"/dll/prefix/bin/*.dll; do
    [ -e "$program" ] || continue
    imports=$(x86_64-w64-mingw32-objdump -p "$program")
    if grep -qiE 'DLL Name: lib(ssl|crypto)' <<<"$imports"; then
      fail "$program needs OpenSSL"
    fi
    if sed -n '/DLL Name: ncrypt/,/^$/p' <<<"$imports" | grep -q BCrypt; then
      fail "$program looks for functions of bcrypt.dll in ncrypt.dll: link bcrypt before ncrypt"
    fi
  done
}

# An RSA key none of whose parts begins with an octet of zero: Wine drops that octet on import, and the key signs nothing.
# About one key in ten has one.
make_key() {
  local file=$1 tries
  for tries in $(seq 100); do
    openssl genrsa -out "$file" 2048 && openssl rsa -in "$file" -traditional -outform DER -out "$file.der" || return 1
    if openssl asn1parse -inform DER -in "$file.der" |
      awk -F: '/INTEGER/ { size[++n] = length($NF) / 2 }
        END { for (i = 5; i <= 9; ++i) { if (size[i] != 128) exit 1 } exit size[2] != 256 || size[4] != 256 }'; then
      return
    fi
  done
  echo "$tries keys, and none that Wine can use"
  return 1
}

# A certificate of an app's own, as somebody would bring it, and one that is for servers.
make_pkcs12() {
  export MTLSPOP_TEST_PKCS12=$build/app.p12 MTLSPOP_TEST_SERVER_PKCS12=$build/server.p12
  [ -s "$MTLSPOP_TEST_SERVER_PKCS12" ] && return
  make_key "$build/app.key" >"$build/log" 2>&1 &&
    openssl req -x509 -key "$build/app.key" -out "$build/app.pem" -days 3650 -subj "/CN=an app" \
      -addext keyUsage=digitalSignature -addext extendedKeyUsage=clientAuth >"$build/log" 2>&1 &&
    openssl pkcs12 -export -inkey "$build/app.key" -in "$build/app.pem" -out "$MTLSPOP_TEST_PKCS12" \
      -passout "pass:correct horse" >"$build/log" 2>&1 &&
    openssl req -x509 -key "$build/app.key" -out "$build/server.pem" -days 3650 -subj "/CN=a server" \
      -addext extendedKeyUsage=serverAuth >"$build/log" 2>&1 &&
    openssl pkcs12 -export -inkey "$build/app.key" -in "$build/server.pem" -out "$MTLSPOP_TEST_SERVER_PKCS12" \
      -passout "pass:correct horse" >"$build/log" 2>&1
}

# Runs "$2...", a program under Wine; what it prints comes into $build/$1.txt.
run_road() {
  local name=$1 raw=$build/$1.raw err=$build/$1.err tries
  shift
  for tries in 1 2 3; do
    if timeout 120 "$wine" "$@" >"$raw" 2>"$err"; then break; fi
    cat "$raw" "$err" >&2
    # Wine takes the signature of a good certificate for a wrong one, seldom: then not with others.
    grep -q 'a signature in its chain is wrong' "$raw" "$err" && [ "$tries" -lt 3 ] || fail "$name failed"
    stop_emulators
    start_emulators
  done
  tr -d '\r' <"$raw" | tee "$build/$name.txt"
}

run_demo() {
  say "the demo's road"
  run_road demo "$build/tests/windows/windows_demo.exe"
  local expected='token_type: mtls_pop
binding: x5t#S256 matches cnf
secret: [^[:space:]]+
replay_without_certificate: 401 MissingClientCertificate
replay_with_other_certificate: 401'
  [[ $(cat "$build/demo.txt") =~ ^$expected$ ]] || fail "the demo did not print what it should"
}

# The sample as it is, but for the keys, which Wine has to be able to use (support/wine_keys.cpp).
run_azure_sample() {
  say "the sample keyvault_secret_azure"
  run_road keyvault_secret_azure "$build/emulator/mtlspop-emulator.exe" run --quiet "${for_schannel[@]}" \
    --secret password=found -- "Z:$build/tests/windows/keyvault_secret_azure/keyvault_secret_azure.exe" \
    https://myvault.vault.azure.net password
  [ "$(cat "$build/keyvault_secret_azure.txt")" = "secret: found" ] || fail "keyvault_secret_azure did not print the secret"
}

# Runs a test program; once more where Wine's server has ended amid it, by an assertion of its own, which takes the emulators
# with it.
run_program() {
  local run=(timeout 600 "$wine" "$build/$1.exe" --gtest_brief=1 "${@:2}") status=0
  "${run[@]}" || status=$?
  if [ "$status" -eq 0 ] || kill -0 "$emulator_pid" 2>/dev/null || kill -0 "$renegotiating_pid" 2>/dev/null; then
    return "$status"
  fi
  say "Wine's server has ended: once more"
  stop_emulators
  start_emulators
  "${run[@]}"
}

# On a machine that has to run the end-to-end test, leaving it out must not look like success.
check_that_skipping_fails() {
  if MTLSPOP_E2E=0 MTLSPOP_E2E_REQUIRED=1 timeout 120 "$wine" "$build/tests/windows/windows_e2e_test.exe" \
    >"$build/log" 2>&1; then
    fail "MTLSPOP_E2E_REQUIRED=1 and no test was run, and windows_e2e_test calls it a success"
  fi
}

mkdir -p "$build"
install_packages
step build_googletest
step build_openssl
step build_emulator
step build_cpprest
step build_library
if [ "$with_dll" -eq 1 ]; then
  step build_dll
  check_exports
fi
check_imports
step make_pkcs12
start_wine
check_emulator_runs_programs
start_emulators
run_demo
check_that_skipping_fails
export MTLSPOP_EMULATOR_PROGRAM=Z:$build/emulator/mtlspop-emulator.exe
if has_azure core; then tests+=(windows_azure_test); fi
if has_azure security-keyvault-secrets; then
  run_azure_sample
  tests+=(windows_azure_clients_test)
  # Wine's WinHTTP sends no body in chunks; WinHTTP does not say how many connections are in use.
  export GTEST_FILTER=-AzureStreaming.SendsABodyOfUnknownLength:AzureStreaming.ClosesTheConnectionOfAnAnswerThatNobodyReadsToItsEnd
fi
programs=("${tests[@]/#/tests/windows/}")
if [ "$with_dll" -eq 1 ]; then programs+=(dll/program/windows_dll_test); fi
failed=()
for test in "${programs[@]}"; do
  say "${test##*/}"
  run_program "$test" "$@" || failed+=("${test##*/}")
done
[ ${#failed[@]} -eq 0 ] || fail "failed: ${failed[*]}"
say "everything passed"
