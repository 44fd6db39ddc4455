#!/usr/bin/env bash
# Cross-builds the library and its Windows tests with mingw-w64 and runs them under Wine, against the emulator, which is
# built for this machine and runs beside Wine. `./dev windows` calls this; arguments go to the test programs, for example
# --gtest_filter='WinHttp*'. Exit 0: everything passed.
#
# MTLSPOP_WINDOWS_BUILD names another build folder than build/windows.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
build=${MTLSPOP_WINDOWS_BUILD:-$root/build/windows}
prefix=$build/prefix
wine=/usr/lib/wine/wine64
tests=(windows_common_test windows_credential_test windows_unit_test windows_winhttp_test windows_road_test
  windows_cng_test windows_e2e_test)
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
    g++-mingw-w64-x86-64-posix wine64 wine; do
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

build_emulator() {
  # By itself and without GoogleTest, as somebody builds it who wants nothing else of the project.
  say "building the emulator for this machine"
  cmake -S "$root/tests/emulator" -B "$build/emulator" -G Ninja -D CMAKE_CXX_FLAGS=-O1 \
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

# OpenSSL is in no package for Windows: from the sources that Debian has, the newest version whose archive can be had whole.
# The lists of sources are this function's own, in the build folder, made from the machine's lists, which are left as they
# are.
fetch_openssl() {
  local folder=$build/openssl lists list version
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
  # A list of somebody else may have no sources; what counts is whether one of them has OpenSSL's.
  apt-get "${lists[@]}" update -qq || true
  for version in $(apt-cache "${lists[@]}" showsrc openssl | sed -n 's/^Version: //p' | sort -rVu); do
    if (cd "$folder" && apt-get "${lists[@]}" source --only-source --download-only --tar-only -qq "openssl=$version"); then
      break
    fi
  done
  rm -rf "$folder/sources.list" "$folder/parts" "$folder/lists"
  rm -rf "$folder/source" && mkdir "$folder/source"
  tar -xzf "$(ls -v "$folder"/openssl_*.orig.tar.gz | tail -n 1)" -C "$folder/source" --strip-components=1
}

build_openssl() {
  [ -e "$prefix/lib/libssl.a" ] && return
  say "building OpenSSL for Windows (some minutes, once)"
  fetch_openssl >"$build/log" 2>&1 || return 1
  (cd "$build/openssl/source" &&
    ./Configure mingw64 --cross-compile-prefix=x86_64-w64-mingw32- no-shared no-tests --prefix="$prefix" --libdir=lib &&
    make -j "$(nproc)" build_libs && make install_dev) >"$build/log" 2>&1
}

build_library() {
  say "building the library and its tests for Windows"
  (cd "$root" && cmake --preset windows -B "$build" -D MTLSPOP_WINDOWS_PREFIX="$prefix" "${launcher[@]}") >"$build/log"
  cmake --build "$build" -j "$(nproc)" >"$build/log"
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

stop() {
  if [ -n "$renegotiating_pid" ]; then
    kill "$renegotiating_pid" 2>/dev/null || true
    wait "$renegotiating_pid" 2>/dev/null || true
  fi
  if [ -n "$emulator_pid" ]; then
    kill "$emulator_pid" 2>/dev/null || true
    wait "$emulator_pid" 2>/dev/null || true
  fi
  if [ -n "${WINEPREFIX:-}" ]; then
    /usr/lib/wine/wineserver64 -k 2>/dev/null || true
  fi
}
trap stop EXIT

# Wine can answer neither a renegotiation nor post-handshake authentication, and matches no IP addresses in certificates.
start_emulator() {
  "$build/emulator/mtlspop-emulator" --client-certificate handshake \
    --sts-endpoint-name westeurope.mtlsauth.microsoft.com >"$build/emulator.json" </dev/null &
  emulator_pid=$!
  local tries
  for tries in $(seq 100); do
    [ -s "$build/emulator.json" ] && break
    kill -0 "$emulator_pid" 2>/dev/null || fail "the emulator did not start"
    sleep 0.1
  done
  MTLSPOP_EMULATOR=$(head -n 1 "$build/emulator.json")
  [ -n "$MTLSPOP_EMULATOR" ] || fail "the emulator printed no startup line after $tries tries"
  export MTLSPOP_EMULATOR
}

# OpenSSL answers renegotiations under Wine too: the emulator as it is by itself.
start_renegotiating_emulator() {
  "$build/emulator/mtlspop-emulator" >"$build/renegotiating.json" </dev/null &
  renegotiating_pid=$!
  local tries
  for tries in $(seq 100); do
    [ -s "$build/renegotiating.json" ] && break
    kill -0 "$renegotiating_pid" 2>/dev/null || fail "the renegotiating emulator did not start"
    sleep 0.1
  done
  MTLSPOP_RENEGOTIATING_EMULATOR=$(head -n 1 "$build/renegotiating.json")
  [ -n "$MTLSPOP_RENEGOTIATING_EMULATOR" ] || fail "the renegotiating emulator printed no line after $tries tries"
  export MTLSPOP_RENEGOTIATING_EMULATOR
}

# Wine is more forgiving than Windows, whose ncrypt.dll has no functions of bcrypt.dll. And no DLL of OpenSSL is wanted: where it is used, it is linked in.
check_imports() {
  local program imports
  for program in "$build"/tests/windows/*.exe; do
    imports=$(x86_64-w64-mingw32-objdump -p "$program")
    if grep -qiE 'DLL Name: lib(ssl|crypto)' <<<"$imports"; then
      fail "$program needs OpenSSL"
    fi
    if sed -n '/DLL Name: ncrypt/,/^$/p' <<<"$imports" | grep -q BCrypt; then
      fail "$program looks for functions of bcrypt.dll in ncrypt.dll: link bcrypt before ncrypt"
    fi
  done
}

# A certificate of an app's own, as somebody would bring it, and one that is for servers.
make_pkcs12() {
  export MTLSPOP_TEST_PKCS12=$build/app.p12 MTLSPOP_TEST_SERVER_PKCS12=$build/server.p12
  [ -s "$MTLSPOP_TEST_SERVER_PKCS12" ] && return
  openssl req -x509 -newkey rsa:2048 -nodes -keyout "$build/app.key" -out "$build/app.pem" -days 3650 -subj "/CN=an app" \
    -addext keyUsage=digitalSignature -addext extendedKeyUsage=clientAuth >"$build/log" 2>&1 &&
    openssl pkcs12 -export -inkey "$build/app.key" -in "$build/app.pem" -out "$MTLSPOP_TEST_PKCS12" \
      -passout "pass:correct horse" >"$build/log" 2>&1 &&
    openssl req -x509 -key "$build/app.key" -out "$build/server.pem" -days 3650 -subj "/CN=a server" \
      -addext extendedKeyUsage=serverAuth >"$build/log" 2>&1 &&
    openssl pkcs12 -export -inkey "$build/app.key" -in "$build/server.pem" -out "$MTLSPOP_TEST_SERVER_PKCS12" \
      -passout "pass:correct horse" >"$build/log" 2>&1
}

run_demo() {
  say "the demo's road"
  timeout 120 "$wine" "$build/tests/windows/windows_demo.exe" | tr -d '\r' | tee "$build/demo.txt"
  local expected='token_type: mtls_pop
binding: x5t#S256 matches cnf
secret: [^[:space:]]+
replay_without_certificate: 401 MissingClientCertificate
replay_with_other_certificate: 401'
  [[ $(cat "$build/demo.txt") =~ ^$expected$ ]] || fail "the demo did not print what it should"
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
step build_emulator
step build_googletest
step build_openssl
step build_library
check_imports
step make_pkcs12
start_wine
start_emulator
start_renegotiating_emulator
run_demo
check_that_skipping_fails
failed=()
for test in "${tests[@]}"; do
  say "$test"
  timeout 600 "$wine" "$build/tests/windows/$test.exe" --gtest_brief=1 "$@" || failed+=("$test")
done
[ ${#failed[@]} -eq 0 ] || fail "failed: ${failed[*]}"
say "everything passed"
