#!/usr/bin/env bash
# check.sh SUITE PACKAGES WORK: the packages in the folder PACKAGES, as a new user meets them in an empty Debian of release SUITE
# (bookworm, trixie) that debootstrap makes below WORK. Needs root. The README's ten lines are built with CMake and with pkg-config
# and read a secret from the emulator, `mtlspop doctor` and `run` work against it, a user's own tests start it by its fixture, and
# what is removed leaves nothing behind.
# With MTLSPOP_CHECK_NODE=1 also the unchanged Node program of tests/demo/node, whose packages come from the network.
set -euo pipefail

source "$(dirname -- "${BASH_SOURCE[0]}")/root.sh"

# Every file but those of the kernel, of apt's and dpkg's own books and logs, and of ours.
files() {
  (cd "$root" && find . -xdev \( -path ./proc -o -path ./sys -o -path ./dev -o -path ./run -o -path ./check -o -path ./root \
    -o -path ./var/cache -o -path ./var/log -o -path ./var/lib/apt -o -path ./var/lib/dpkg \) -prune -o -print) | sort
}

# The registry and the authorities that this machine's npm is configured with, where there is one.
npm_options() {
  command -v npm >/dev/null || return 0
  local authorities
  authorities=$(npm config get cafile)
  printf -- '--registry=%s\n' "$(npm config get registry)"
  if [ -f "$authorities" ]; then
    cp "$authorities" "$root/check/npm-authorities.pem"
    printf -- '--cafile=/check/npm-authorities.pem\n'
  fi
}

make_root
say "what a new user has: a compiler and what the ten lines need beside mtlspop"
quietly inside apt-get update -q
tools=(g++ make cmake pkgconf libcpprest-dev libgtest-dev)
if [ "${MTLSPOP_CHECK_NODE:-}" = 1 ]; then tools+=(nodejs npm); fi
quietly inside apt-get install -q -y "${tools[@]}"
mkdir "$root/check"
cp "$packages"/*.deb "$root/check/"
cp -r "$source/README.md" "$source/tests/consumer/readme.cmake" "$source/tests/package/project/." "$root/check/"
cp -r "$source/tests/package/fixture" "$root/check/"
cp "$source/tests/consumer/app_test.cpp" "$root/check/fixture/"
start=$SECONDS
# What ours depend on comes first, so that only ours can be to blame for what is left behind.
mapfile -t others < <(inside sh -c 'apt-get install -s /check/*.deb' | awk '$1 == "Inst" && $2 !~ /mtlspop/ { print $2 }')
quietly inside apt-get install -q -y curl "${others[@]}"
files >"$work/$suite.before"
groups_before=$(cut -d : -f 1 "$root/etc/group" | sort)
quietly inside sh -c 'apt-get install -q -y /check/*.deb'
say "packages installed: $((SECONDS - start)) s"
libraries=0
for library in $(cd "$root" && find usr/lib -name 'libmtlspop*.so.[0-9]'); do
  libraries=$((libraries + 1))
  if inside ldd "/$library" | grep -q 'not found'; then
    say "$library lacks a library"
    exit 1
  fi
done
expect "shared libraries that find what they need" 4 "$libraries"

quietly inside cmake -S /check -B /check/build
quietly inside cmake --build /check/build
expect "the README's ten lines, by CMake" hello \
  "$(inside mtlspop-emulator run --secret password=hello -- /check/build/app)"
say "from the packages to a secret in a program of one's own: $((SECONDS - start)) s"
quietly inside sh -c 'g++ -std=c++17 /check/build/ten_lines.cpp -o /check/by_pkg_config $(pkg-config --cflags --libs mtlspop-cpprest)'
expect "the same by pkg-config" hello \
  "$(inside mtlspop-emulator run --secret password=hello -- /check/by_pkg_config)"
inside ldd /check/by_pkg_config | grep -q 'libmtlspop\.so\.0 => /' || {
  say "the program is not linked with the shared library"
  exit 1
}
# Archives have the Boost of the release that they were made on inside, which does not go with another release's libcpprest.
check_archives() {
  quietly inside cmake -S /check -B /check/archives -D mtlspop_USE_STATIC_LIBS=ON
  quietly inside cmake --build /check/archives
  expect "the same with the archives" hello \
    "$(inside mtlspop-emulator run --secret password=hello -- /check/archives/app)"
  if inside ldd /check/archives/app | grep -q 'libmtlspop'; then
    say "the program is linked with the shared library where the archives were asked for"
    exit 1
  fi
}
if [ "$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)" = "$suite" ]; then
  check_archives
else
  say "the archives are for the release that they were made on, and are not tried"
fi

quietly inside cmake -S /check/fixture -B /check/fixture/build
quietly inside cmake --build /check/fixture/build
quietly inside /check/fixture/build/app_test
say "tests of an application's own, by the fixture: $(grep -c '\[       OK \]' "$work/$suite.log") passed"

inside mtlspop-emulator run -- mtlspop doctor https://contoso.vault.azure.net >"$work/$suite.doctor" || {
  cat "$work/$suite.doctor" >&2
  exit 1
}
say "mtlspop doctor: $(grep -c . "$work/$suite.doctor") lines, status 0"
expect "mtlspop run" hello "$(inside mtlspop-emulator run --secret password=hello -- mtlspop run -- sh -c '
  handle=$(curl -sf -H Metadata:true \
    "$AZURE_POD_IDENTITY_AUTHORITY_HOST/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net" |
    sed "s/.*\"access_token\": *\"\([^\"]*\)\".*/\1/")
  curl -sf -H "Authorization: Bearer $handle" "https://myvault.vault.azure.net/secrets/password?api-version=7.4" |
    sed "s/.*\"value\": *\"\([^\"]*\)\".*/\1/"')"
if [ "${MTLSPOP_CHECK_NODE:-}" = 1 ]; then
  cp -r "$source/tests/demo/node" "$root/check/node"
  node_start=$SECONDS
  mapfile -t options < <(npm_options)
  quietly inside npm --prefix /check/node install --no-audit --no-fund --no-save "${options[@]}"
  inside mtlspop-emulator run -- /check/node/run.sh /usr/bin/mtlspop /check/node/node_modules >&2
  say "an unchanged Node program: $((SECONDS - node_start)) s"
fi

# As `systemctl enable` does, which needs systemd.
for link in sockets.target.wants/mtlspop-gateway.socket multi-user.target.wants/mtlspop-gateway.service; do
  mkdir -p "$root/etc/systemd/system/${link%/*}"
  ln -s "/lib/systemd/system/${link##*/}" "$root/etc/systemd/system/$link"
done
say "remove it all again, with the gateway enabled"
quietly inside sh -c 'apt-get purge -q -y $(dpkg-query -W -f "\${Package}\n" | grep mtlspop)'
files >"$work/$suite.after"
if ! diff "$work/$suite.before" "$work/$suite.after" >&2; then
  say "these files were left behind (>) or taken away (<)"
  exit 1
fi
if ! diff <(printf '%s\n' "$groups_before") <(cut -d : -f 1 "$root/etc/group" | sort) >&2; then
  say "these groups were left behind (>) or taken away (<)"
  exit 1
fi
say "removal leaves nothing: $(wc -l <"$work/$suite.after") files before and after"
unmount
rm -rf --one-file-system "$root"
say "$suite: all of it is true"
