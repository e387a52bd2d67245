# The contract of a suite, for bash: `check FEATURE FUNCTION ARGUMENTS...` runs the function in a
# shell of its own that stops at the first failing command, and prints ok or FAIL with what it said.

limit=${FEATURE_SECONDS:-60}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

check() {
  local feature=$1 watch status; shift
  (set -euo pipefail; trap 'exit 1' TERM; trap 'kill $(jobs -p) 2>/dev/null || true' EXIT; "$@") 2>"$scratch/errors" &
  local body=$!
  (sleep "$limit"; echo "not within $limit s" >>"$scratch/errors"; kill $body) \
    >/dev/null 2>&1 3>&- 4<&- &
  watch=$!
  status=0; wait $body || status=$?
  pkill -P $watch 2>/dev/null; kill $watch 2>/dev/null; wait $watch 2>/dev/null || true
  if [ $status = 0 ]; then echo "ok $feature"; else
    cat "$scratch/errors" >&2
    echo "FAIL $feature $(tail -n 3 "$scratch/errors" | tr '\n' ' ')"
  fi
}

# equal WHAT GOT WANT
equal() { [ "$2" = "$3" ] || { echo "$1: got '${2:0:300}', want '${3:0:300}'" >&2; return 1; }; }

# until_true COMMAND...: again until it succeeds, at most 30 s
until_true() {
  local end=$((SECONDS + 30))
  until "$@"; do
    [ $SECONDS -lt $end ] || { echo "not within 30 s: $*" >&2; return 1; }
    sleep 0.2
  done
}

# lines FILE COUNT: it holds that many lines
lines() { [ "$(wc -l <"$1")" -ge "$2" ]; }
