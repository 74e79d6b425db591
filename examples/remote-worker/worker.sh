#!/bin/sh
# A remote worker in sh, with curl and jq: it claims one job at a time, runs it in a process of its own, keeps its lease, and
# sends its end. Must say nothing of a job whose lease is lost. Its kinds are those of `tidemill conformance`.
#
#   TIDEMILL_URL=http://127.0.0.1:8080 TIDEMILL_KEY=tm_… examples/remote-worker/worker.sh
set -u

NAME=sh-$$
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# SIGTERM: the rest of the program looks at this file.
trap 'touch "$folder/leaving"' TERM INT

# post PATH BODY [KEY]: sends one request, and repeats the same one until it is answered. Prints the answer; 1 if refused.
post() {
  while :; do
    status=$(curl --silent --noproxy '*' --max-time 60 --output "$folder/answer.$1" \
      --write-out '%{http_code} %header{retry-after}' \
      --header "Authorization: Bearer $TIDEMILL_KEY" --header 'Content-Type: application/json' \
      ${3:+--header "Idempotency-Key: $3"} --data-binary "$2" --create-dirs "$TIDEMILL_URL/api/v1/worker/$1") || status=000
    # Busy: the server says when it may be asked again.
    pause=${status#* } status=${status%% *}
    case $status in
      429) sleep "${pause:-1}"; continue ;;
      2*) cat "$folder/answer.$1" && return ;;
      4*) [ "$status" != 409 ] || touch "$folder/lost"; return 1 ;;
    esac
    sleep 0.3
  done
}

# say VERB FIELDS [KEY]: a request about the job, unless its lease is lost.
say() {
  [ ! -e "$folder/lost" ] && post "jobs/$id/$1" "$(printf %s "$2" | jq -c --arg lease "$lease" '{lease_id: $lease} + .')" "${3-}"
}

# report VERB FIELDS: with a key, so that a repeated request is stored once.
report() { say "$1" "$2" "$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')" >/dev/null; }

arg() { printf %s "$job" | jq -c ".args | $1"; }

# What the kinds do. Standard output is the result; exit code 1 is a failure whose message is in the file `error`.
work() {
  case $kind in
    conformance.echo) arg . ;;
    conformance.fail) arg .message | jq -r . >"$folder/error"; arg .permanent >"$folder/permanent"; return 1 ;;
    conformance.flaky)
      attempt=$(printf %s "$job" | jq .attempt)
      [ "$attempt" -gt "$(arg .failures)" ] || { echo 'not yet' >"$folder/error"; return 1; }
      echo "{\"attempt\": $attempt}" ;;
    conformance.report)
      count=$(arg '.lines | length') at=0
      while [ "$at" -lt "$count" ]; do
        report log "{\"stream\": \"log\", \"lines\": [$(arg ".lines[$at]")]}"
        report progress "{\"percent\": $(arg ".percents[$at]")}"
        at=$((at + 1))
      done
      echo "{\"reported\": $count}" ;;
    conformance.slow)
      [ "$(arg .extend)" = null ] || {
        report extend "{\"by\": $(arg .extend)}"
        echo $(($(cat "$folder/late_at") + $(arg .extend))) >"$folder/late_at"
      }
      every=$(arg .every)
      # In short sleeps: a shell obeys a signal after the command that it waits for.
      for _ in $(arg '[range(0; .seconds * 5)][]'); do
        sleep 0.2
        [ "$every" = null ] || report log '{"lines": ["tick"]}'
      done
      echo "{\"slept\": $(arg .seconds)}" ;;
  esac
}

# Renews the lease while the work runs, and ends the work when it has to stop or its hard timeout passed.
beat() {
  while sleep 0.7; do
    [ "$(date +%s)" -le "$(cat "$folder/late_at")" ] || touch "$folder/late"
    answer=$(post heartbeat "{\"worker\": \"$NAME\", \"leases\": [\"$lease\"]}") || continue
    [ "$(printf %s "$answer" | jq '.lost | length')" = 0 ] || touch "$folder/lost"
    [ "$(printf %s "$answer" | jq '.cancel + .soft_timeout | length')" = 0 ] || touch "$folder/stopped"
  done
}

# A shell that has just started may miss a signal.
stop() {
  for _ in 1 2 3; do kill "$runs"; sleep 0.1; done
  kill -9 "$runs"
} 2>/dev/null

run() {
  job=$1
  id=$(printf %s "$job" | jq -r .id) lease=$(printf %s "$job" | jq -r .lease_id) kind=$(printf %s "$job" | jq -r .kind)
  rm -f "$folder"/lost "$folder"/stopped "$folder"/late "$folder"/error "$folder"/permanent "$folder"/code
  # Its hard timeout: the server takes the job back a little later.
  echo $(($(date +%s) + $(printf %s "$job" | jq '.hard_timeout_seconds | floor'))) >"$folder/late_at"
  beat & beats=$!
  (trap 'exit 143' TERM; work >"$folder/result"; echo $? >"$folder/code") & runs=$!
  while [ ! -e "$folder/code" ]; do
    for why in lost stopped late leaving; do
      [ ! -e "$folder/$why" ] || { stop; break 2; }
    done
    sleep 0.05
  done 2>/dev/null
  wait "$runs" 2>/dev/null
  if [ -e "$folder/lost" ]; then :
  elif [ "$(cat "$folder/code" 2>/dev/null)" = 0 ]; then say complete "$(jq -c '{result: .}' "$folder/result")"
  elif [ -e "$folder/code" ]; then
    say fail "$(jq -Rsc --argjson permanent "$(cat "$folder/permanent" 2>/dev/null || echo false)" \
      '{error: {message: rtrimstr("\n")}, permanent: $permanent}' "$folder/error")"
  elif [ -e "$folder/stopped" ]; then say complete '{}'
  elif [ -e "$folder/late" ]; then say fail '{"error": {"type": "timeout", "message": "its hard timeout passed"}}'
  else say snooze '{"delay": 0}'
  fi >/dev/null
  kill "$beats" 2>/dev/null; wait "$beats" 2>/dev/null
}

kinds='["conformance.echo","conformance.fail","conformance.flaky","conformance.report","conformance.slow"]'
while [ ! -e "$folder/leaving" ]; do
  key=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  post claim "{\"worker\": \"$NAME\", \"kinds\": $kinds, \"wait_seconds\": 10}" "$key" >"$folder/claimed" & claims=$!
  while kill -0 "$claims" 2>/dev/null && [ ! -e "$folder/leaving" ]; do sleep 0.1; done
  # What the server handed out already is not to wait for the end of its lease.
  [ ! -e "$folder/leaving" ] || { sleep 1; kill "$claims" 2>/dev/null; }
  wait "$claims" || { sleep 1; continue; }
  claimed=$(cat "$folder/claimed")
  jobs=$(printf %s "$claimed" | jq -c '.jobs[0] // empty')
  [ -z "$jobs" ] || run "$jobs"
  [ "$(printf %s "$claimed" | jq .drain)" != true ] || { sleep 1 & wait $!; }
done
