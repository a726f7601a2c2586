#!/usr/bin/env bash
# Asks a gateway, through the documents it gives of its API, whatever they allow and much that they do not: nothing may
# be a server error, and no answer may be one that they do not have.
#
#   tests/api/run.sh PUSHGATE SCHEMATHESIS OUT    the two programs, and a folder for what is said
#
# Three runs: the admin API with its token, the public API, and the admin API on loopback without a token.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
pushgate=$(realpath "$1")
schemathesis=$(realpath "$2")
mkdir -p "$3"
out=$(realpath "$3")

TOKEN=a-token-for-this-run-alone
SEED=${API_SEED:-1}
EXAMPLES=${API_EXAMPLES:-10}
# Seconds for one run: it takes a third of that on a slow machine, and one that hangs must end.
BOUND=120

main() {
  work=$(mktemp -d)
  trap stop EXIT
  cd "$work"
  failed=()

  start with-token "$here/pushgate.toml"
  fill
  document admin "/api/openapi.json"
  ask admin "$admin" examples,coverage,fuzzing,stateful -H "Authorization: Bearer $TOKEN"
  document public "/api/openapi-public.json"
  ask public "$public" examples,coverage,fuzzing -H "X-Client-Token: $device" -H "X-APP-ID: Test" -H "X-APP-Key: $KEY"
  still_alive

  # The last run's gateway goes on with the same store: what the first one left is there to be found.
  kill "$gateway"
  wait "$gateway" || failed+=("the gateway did not stop well")
  grep -v '^admin_token' "$here/pushgate.toml" >open.toml
  start without-token open.toml
  document open "/api/openapi.json"
  ask open "$admin" examples,fuzzing
  still_alive

  ((${#failed[@]} == 0)) || {
    printf 'tests/api/run.sh: %s\n' "${failed[@]}" "what was asked and answered is in $out" >&2
    exit 1
  }
}

KEY=d57559a82027b7d846318a0c1596d645

# start NAME CONFIG: a gateway on free ports; sets gateway, admin and public.
start() {
  # Emptied here: what an earlier run left would be taken for this gateway's addresses.
  : >"$out/gateway-$1.log"
  PUSHGATE_TEST_TOKEN=$TOKEN "$pushgate" serve --config "$2" --store sqlite:api.db --public 127.0.0.1:0 \
    --admin 127.0.0.1:0 --link 127.0.0.1:0 2>"$out/gateway-$1.log" &
  gateway=$!
  local waited=0
  until grep -q '^link ' "$out/gateway-$1.log"; do
    if ((++waited > 300)) || ! kill -0 "$gateway"; then
      die "the gateway did not start; see $out/gateway-$1.log"
    fi
    sleep 0.1
  done
  admin=$(address admin "$out/gateway-$1.log")
  public=$(address public "$out/gateway-$1.log")
}

address() {
  sed -nE "s#^$1 +(http://)?([0-9.]+:[0-9]+).*#http://\2#p" "$2" | head -n1
}

# Something of each kind, so that lists are not empty and ids are found.
fill() {
  local batch='{"MsgType":0,"Data":[{"Phone":"18512345678","ReplyContent":"OK","ReplyTime":1563867000}]}'
  local events='{"Events":[{"CallbackCommand":"Push.OfflinePush","EventType":1,"EventTime":1557481127,"To_Account":"user2","PushStage":1,"ErrCode":0}]}'
  device=$("$pushgate" token issue --key-file <(printf '%s' "$KEY") --cid 5003062 --expire 4102444800)
  post "$admin/api/uplink/acme" "$batch"
  post "$admin/api/tencent/acme" "$events"
  post "$public/receive/uplink/ucloud" "$batch"
  post "$public/receive/tencent/im?SdkAppid=1400000000&CallbackCommand=Push.OfflinePush&contenttype=json" "$events"
}

post() {
  curl -sS --fail-with-body --max-time 10 -o /dev/null -H "Authorization: Bearer $TOKEN" -d "$2" "$1"
}

document() {
  curl -sS --fail-with-body --max-time 10 -H "Authorization: Bearer $TOKEN" -o "$out/$1.json" "$admin$2"
}

# ask NAME BASE PHASES OPTION...: one run.
ask() {
  local name=$1 base=$2 phases=$3
  shift 3
  printf -- '--- %s\n' "$name"
  # /api/live is left out: its answer goes on until its client leaves.
  # One worker: CPython before 3.12 cannot parse its own source in two threads at once, which generating does.
  SCHEMATHESIS_HOOKS=hooks PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$here timeout "$BOUND" "$schemathesis" --config-file "$here/schemathesis.toml" run "$out/$name.json" --url "$base" \
    --phases "$phases" --checks all --seed "$SEED" --max-examples "$EXAMPLES" --workers 1 --request-timeout 10 --no-shrink \
    --exclude-operation-id watch_live --generation-database none --no-color "$@" 2>&1 | tee "$out/$name.log" || failed+=("the run '$name' failed")
}

still_alive() {
  curl -sS --fail-with-body --max-time 10 -o /dev/null "$admin/readyz" || failed+=("the gateway is not ready any more")
}

stop() {
  kill "$gateway" 2>/dev/null || true
  wait "$gateway" 2>/dev/null || true
  rm -rf "$work"
}

die() {
  printf 'tests/api/run.sh: %s\n' "$1" >&2
  exit 1
}

main
