#!/bin/sh
# run.sh MTLSPOP NODE_MODULES: runs the unchanged program behind the gateway, and then plays the thief, who has all that the
# program had and no gateway. Expects the variables that `mtlspop-emulator run` sets.
set -eu
here=$(dirname -- "$0")
loot=$(mktemp)
trap 'rm -f "$loot"' EXIT

NODE_PATH=$2 "$1" run -- node "$here/app.js" "$loot"

vault=$(printf '%s' "$MTLSPOP_CONNECT_OVERRIDES" | tr ',' '\n' | sed -n 's/^.*vault\.azure\.net:443=//p' | head -n 1)
status=$(printf 'header = "Authorization: Bearer %s"\n' "$(cat "$loot")" |
  curl --silent --config - --noproxy '*' --cacert "$MTLSPOP_CA_FILE" --connect-to "::$vault" --output /dev/null \
    --write-out '%{http_code}' 'https://myvault.vault.azure.net/secrets/password?api-version=7.4')
echo "replay_without_gateway: $status"
[ "$status" = 401 ]
