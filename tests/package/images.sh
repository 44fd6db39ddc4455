#!/usr/bin/env bash
# images.sh SUITE PACKAGES WORK: the images of packaging/container/Containerfile, built by buildah of the packages in the folder
# PACKAGES, on a base image of Debian's release SUITE that debootstrap makes below WORK; no registry is asked. Needs root. Then the
# containers of the manifests in packaging/kubernetes run, with their own words: the emulator, the gateway as a sidecar with an
# application that calls its socket, and the init job.
# What a cluster adds (probes of a kubelet, read-only roots, capabilities) is not seen here.
set -euo pipefail

source "$(dirname -- "${BASH_SOURCE[0]}")/root.sh"

images() { buildah --storage-driver vfs --root "$work/images" --runroot "$work/images-run" "$@"; }

# A container's processes are those of buildah, below the shell that waits for it.
with_those_below() {
  local process
  for process in $(pgrep -P "$1"); do with_those_below "$process"; done
  printf '%s\n' "$1"
}

started=()
end() {
  local process all=()
  for process in "${started[@]}"; do mapfile -t -O "${#all[@]}" all < <(with_those_below "$process"); done
  for process in "${all[@]}"; do kill "$process" 2>/dev/null || true; done
  # Each is waited for, so that nothing is left in what is taken away.
  for process in "${all[@]}"; do timeout 20 tail --pid="$process" -f /dev/null || kill -KILL "$process" 2>/dev/null || true; done
  images rm --all >/dev/null 2>&1 || true
  images rmi --all --force >/dev/null 2>&1 || true
  rm -rf --one-file-system "$work/images" "$work/images-run" "$work/pod"
}
trap end EXIT

# Sets `command` to what a manifest says of the init container NAME, with what its image says where it does not.
find_command() {
  local manifest=$1 name=$2 image=$3 words
  words=$(images inspect --type image "localhost/$image" | /usr/bin/python3 -c '
import json, sys, yaml
image = json.load(sys.stdin)["OCIv1"]["config"]
for document in yaml.safe_load_all(open(sys.argv[1])):
    template = document.get("spec", {}).get("template", {})
    for container in template.get("spec", {}).get("initContainers", []):
        if container["name"] == sys.argv[2]:
            command = container.get("command", image["Entrypoint"])
            default = [] if "command" in container else image.get("Cmd", [])
            print("\n".join(command + container.get("args", default)))
' "$source/packaging/kubernetes/$manifest" "$name")
  mapfile -t command <<<"$words"
}

# Runs words in a new container of an image, as the user that the image says, with the pod's volumes.
container() {
  local image=$1 made
  shift
  made=$(images from "localhost/$image")
  images run --isolation chroot --env TMPDIR=/run/emulator \
    --volume "$work/pod/emulator:/run/emulator" --volume "$work/pod/gateway:/run/mtlspop" \
    --volume "$work/pod/configuration:/etc/mtlspop:ro" --volume "$work/pod/secrets:/run/secrets/app" "$made" -- "$@"
}

# In what leads to the emulator.
beside_emulator() {
  local image=$1
  shift
  container "$image" /bin/sh -c '. /run/emulator/environment && exec "$@"' sh "$@"
}

# Waits until something is true, at most 60 s.
until_true() {
  local tries
  for ((tries = 0; tries < 300; tries++)); do
    if "$@" >/dev/null 2>&1; then return; fi
    sleep 0.2
  done
  say "did not come true in 60 s: $*"
  tail -n 20 "$work"/pod/*.log >&2
  exit 1
}

make_pristine
say "a base image of $suite"
base=$(images from scratch)
tar -C "$(images mount "$base")" --strip-components=1 -xf "$pristine"
images umount "$base" >/dev/null
quietly images commit --rm "$base" "localhost/debian:$suite-slim"

# The Containerfile names the packages as ./dev package leaves them, below the context.
context=$work/images-context
rm -rf --one-file-system "$context"
mkdir -p "$context/build/packages" "$context/packaging"
cp "$packages"/*.deb "$context/build/packages/"
cp -r "$source/packaging/container" "$context/packaging/"
for target in gateway emulator; do
  quietly images bud --isolation chroot --build-arg "BASE=localhost/debian:$suite-slim" --target "$target" \
    -f "$context/packaging/container/Containerfile" -t "mtlspop-$target" "$context"
  expect "the $target's image runs as" 65532:65532 \
    "$(images inspect --type image --format '{{.OCIv1.Config.User}}' "localhost/mtlspop-$target")"
done
rm -rf --one-file-system "$context"

mkdir -p "$work/pod/emulator" "$work/pod/gateway" "$work/pod/configuration" "$work/pod/secrets"
chown 65532:65532 "$work"/pod/*
/usr/bin/python3 -c '
import sys, yaml
for document in yaml.safe_load_all(open(sys.argv[1])):
    if document["kind"] == "ConfigMap":
        print(document["data"]["gateway.conf"], end="")
' "$source/packaging/kubernetes/sidecar.yaml" >"$work/pod/configuration/gateway.conf"

say "emulator-sidecar.yaml: the emulator, until its startup probe's file is there"
find_command emulator-sidecar.yaml emulator mtlspop-emulator
container mtlspop-emulator "${command[@]}" >"$work/pod/emulator.log" 2>&1 &
started+=($!)
until_true grep -q MTLSPOP_EMULATOR_PID "$work/pod/emulator/environment"

say "sidecar.yaml: the gateway, until its own probe says that it is ready"
find_command sidecar.yaml gateway mtlspop-gateway
beside_emulator mtlspop-gateway "${command[@]}" >"$work/pod/gateway.log" 2>&1 &
started+=($!)
until_true container mtlspop-gateway mtlspop-gateway-ready

# As the manifest's application, which is the same user.
value() { sed 's/.*"value": *"\([^"]*\)".*/\1/' "$@"; }
read_through_socket() {
  setpriv --reuid 65532 --regid 65532 --clear-groups curl -sf --max-time 30 --unix-socket "$work/pod/gateway/gateway.sock" \
    "http://localhost/vault/secrets/password?api-version=7.4" | value
}
secret=$(read_through_socket)
[ -n "$secret" ] || {
  say "the application reads nothing through the sidecar's socket"
  exit 1
}
say "the application reads a secret through the sidecar's socket"

say "init-job.yaml: the init container"
find_command init-job.yaml secret mtlspop-gateway
beside_emulator mtlspop-gateway "${command[@]}" >&2
expect "the init job's file has the same secret" "$secret" "$(value "$work/pod/secrets/password.json")"

control=$(sed -n 's/.*MTLSPOP_EMULATOR_CONTROL=.\{0,1\}\(http:[0-9.:/]*\).*/\1/p' "$work/pod/emulator/environment")
statistics=$(curl -sf --max-time 30 "$control/emulator/statistics")
expect "requests whose certificate was not the token's" '"mismatches":0' "$(grep -o '"mismatches":[0-9]*' <<<"$statistics")"
expect "bearer tokens" 0 "$(grep -c '"Bearer"' <<<"$statistics" || true)"
say "$suite: both images are built, and do what the manifests say"
