#!/usr/bin/env bash
# check.sh [--renew] BUILD: what the shared libraries in BUILD/lib export. Only names of mtlspop, of the namespaces that public
# headers have, nothing of `base` and nothing that a source marks; all symbols that Debian's symbols file lists; and the ABI that
# the dumps beside this file describe, where abidiff is installed and the libraries are built by the compiler that made them.
# With --renew, symbols file and dumps are written anew.
set -euo pipefail

renew=0
if [ "${1:-}" = --renew ]; then
  renew=1
  shift
fi
build=$(realpath -- "$1")
here=$(realpath -- "$(dirname -- "${BASH_SOURCE[0]}")")
source=$(realpath -- "$here/../..")
symbols=$source/cmake/packages/libmtlspop0.symbols
headers=("$source"/{transport,credential,policies}/include "$source"/adapters/*/include "$source"/keys/*/include)
mapfile -t libraries < <(ls "$build"/lib/libmtlspop*.so.0)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0

complain() {
  printf '%s\n' "$*"
  failed=1
}

exported() { nm -D --defined-only "$1" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort -u; }

# Names that nobody but mtlspop may have, in namespaces that its headers show.
mapfile -t namespaces < <(grep -rhoE '^namespace mtlspop[a-z_:]*' --include='*.hpp' "${headers[@]}" | awk '{print $2}' | sort -u)
check_names() {
  local name=$1 library=$2 others
  exported "$library" >"$scratch/exported"
  [ -s "$scratch/exported" ] || complain "$name exports nothing"
  others=$(c++filt <"$scratch/exported" |
    sed -E 's/^(typeinfo|typeinfo name|vtable|VTT|guard variable|(non-)?virtual thunk) (for|to) //' |
    awk -v known=" ${namespaces[*]} " '{
      # The namespace: the parts in small letters before the first name that begins otherwise.
      split($0, call, "("); part = call[1]; count = split(part, parts, "::"); space = parts[1]
      for (i = 2; i < count && parts[i] ~ /^[a-z_]+$/; i++) space = space "::" parts[i]
      if (index(known, " " space " ") == 0) print "  " $0
    }')
  [ -z "$others" ] || complain "$name exports what is not of its public headers:" "$others"
}

# base is in every library, and in none to be seen.
check_base() {
  local name=$1 seen
  find "$build/base" -name '*.o' -exec nm --defined-only {} + | awk 'NF == 3 && $2 ~ /[TDBR]/ { print $3 }' | sort -u >"$scratch/base"
  seen=$(comm -12 "$scratch/base" "$scratch/exported" | c++filt)
  [ -z "$seen" ] || complain "$name exports parts of base:" "$seen"
}

# Tables and typeinfo (_ZT...) are left out: which library has them besides their own is the compiler's choice.
check_symbols() {
  local name=$1 gone new
  if ! grep -q "^$name\.so\.0 " "$symbols"; then
    # The Azure adapter's, whose SDK is in no Debian package.
    printf '%s is in no Debian package: its symbols are not compared\n' "$name"
    return 0
  fi
  sed '/^_ZT/d' "$scratch/exported" >"$scratch/found"
  awk -v library="$name.so.0" '/^[^ *#]/ { mine = $1 == library } mine && /^ _Z/ { sub(/@.*/, "", $1); print $1 }' "$symbols" |
    sed '/^_ZT/d' | sort -u >"$scratch/listed"
  gone=$(comm -13 "$scratch/found" "$scratch/listed" | c++filt)
  [ -z "$gone" ] || complain "$name has lost what ${symbols#"$source/"} lists:" "$gone"
  new=$(comm -23 "$scratch/found" "$scratch/listed" | c++filt)
  [ -z "$new" ] || printf '%s\n' "$name has what ${symbols#"$source/"} does not list yet:" "$new"
}

renew_symbols() {
  local arguments=() library
  # What this version's own list has lost was never released.
  sed -i "/ $version\$/d" "$symbols"
  for library in "${libraries[@]}"; do arguments+=("-e$library"); done
  (cd "$scratch" && dpkg-gensymbols -plibmtlspop0 "-v$version" "-P$build/lib" -c0 "-O$symbols" "${arguments[@]}" >/dev/null)
}

dump() {
  abidw --no-corpus-path --no-comp-dir-path --no-show-locs --no-parameter-names --drop-undefined-syms --drop-private-types \
    "${header_folders[@]}" "$1"
}

check_abi() {
  local name=$1 library=$2 kept=$here/$1.abi.gz status=0
  dump "$library" >"$scratch/$name.abi"
  if [ "$renew" -eq 1 ]; then
    gzip -9n <"$scratch/$name.abi" >"$kept"
    return
  fi
  [ -e "$kept" ] || { printf 'There is no dump of %s to compare with: "./dev abi --renew" makes one\n' "$name"; return 0; }
  gzip -dc "$kept" >"$scratch/kept.abi"
  abidiff "$scratch/kept.abi" "$scratch/$name.abi" >"$scratch/difference" || status=$?
  [ "$status" -eq 0 ] || complain "The ABI of $name is not that of $(basename "$kept") (abidiff ended with $status; 8 and more: programs break):" \
    "$(head -n 60 "$scratch/difference")"
}

version=$(sed -nE 's/^ +VERSION ([0-9.]+)$/\1/p' "$source/CMakeLists.txt")
header_folders=()
for folder in "${headers[@]}" "$build/generated/include"; do header_folders+=(--headers-dir "$folder"); done
marked=$(grep -rlE 'MTLSPOP(_[A-Z0-9]+)?_EXPORT' "$source"/{base,transport,credential,policies,adapters,keys} --include='*.hpp' --include='*.cpp' |
  grep -v '/include/mtlspop/' || true)
[ -z "$marked" ] || complain "exported by other than public headers: $marked"

# The dumps are of g++ 12 on x86-64, from what -g writes.
comparable() {
  [ "$(uname -m)" = x86_64 ] && readelf -SW "$1" | grep -q ' \.debug_info ' &&
    readelf -p .comment "$1" | grep -q 'GCC: .* 12\.' && ! readelf -p .comment "$1" | grep -q clang
}

for library in "${libraries[@]}"; do
  name=$(basename "$library" .so.0)
  check_names "$name" "$library"
  check_base "$name"
  [ "$renew" -eq 1 ] || check_symbols "$name"
  if ! command -v abidiff >/dev/null; then
    printf 'abidiff is not installed (Debian: abigail-tools): the ABI of %s is not compared\n' "$name"
  elif ! comparable "$library"; then
    printf 'The dumps are of g++ 12 with -g on x86-64: the ABI of %s is not compared\n' "$name"
  else
    check_abi "$name" "$library"
  fi
done
[ "$renew" -eq 0 ] || renew_symbols
[ "$failed" -eq 0 ] || printf 'If this is meant, "./dev abi --renew" writes it down; docs/packages.md says when MTLSPOP_ABI is raised.\n'
exit "$failed"
