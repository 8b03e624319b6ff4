#!/usr/bin/env bash
# The cases that kcat can do. A consumer and producer for shells on librdkafka; it has no admin calls.
#
#   usage: client.sh BOOTSTRAP PREFIX CASE       exit 0: passed, 77: kcat cannot do it
set -eEuo pipefail

bootstrap=$1
case=$3
topic=$2
group=$2
folder=$(mktemp -d)
cleanup() {
  jobs -p | xargs -r kill || true
  rm -rf "$folder"
}
trap cleanup EXIT

fail() { echo "$*" >&2; exit 1; }
cannot() { echo "$*"; exit 77; }
trap 'echo "line $LINENO: $BASH_COMMAND" >&2' ERR
same() { [ "$1" = "$2" ] || fail "$3: expected '$1', got '$2'"; }

# kcat without a word about its own doings, given up after a minute.
run() { timeout 60 kcat -q -b "$bootstrap" "$@"; }
# Writes what comes in, one record a line, keys before a colon.
produce() { run -P -t "$topic" -K: "$@"; }
# Reads everything there is: partition, key and value of each record.
consume() { run -C -t "$topic" -e -f '%k:%s\n' "$@"; }
records() { for ((i = 0; i < $1; i++)); do echo "key-$((i % 50)):value-$i"; done; }

# Topics come into being by being written to; they have the broker's default of one partition.
round_trip() {
  records 1000 >"$folder/sent"
  produce "$@" <"$folder/sent"
  consume -o beginning | cmp - "$folder/sent" || fail "what was read is not what was sent"
}

# kcat has to fail with these words.
refused() {
  local words=$1
  shift
  if timeout 60 kcat -b "$bootstrap" "$@" >/dev/null 2>"$folder/said"; then
    fail "no error"
  fi
  grep -q "$words" "$folder/said" || fail "not told as '$words': $(tail -n 1 "$folder/said")"
}

# Waits until a file has so many lines.
wait_for_lines() {
  for ((i = 0; i < 300; i++)); do
    [ "$(wc -l <"$1")" -ge "$2" ] && return
    sleep 0.1
  done
  fail "$(wc -l <"$1") lines after 30 s, expected $2"
}

# A group member in the background, which writes what it reads to the file $1.
member() {
  kcat -b "$bootstrap" -G "$group" -u -X auto.offset.reset=earliest -X session.timeout.ms=6000 \
    -X heartbeat.interval.ms=500 -X auto.commit.interval.ms=100 -f '%k:%s\n' "$topic" \
    >"$1" 2>"$1.log" &
  member_pid=$!
}

case $case in
  produce-*)
    round_trip -z "${case#produce-}" -H kind=test -X acks=all
    same "kind=test" "$(run -C -t "$topic" -o beginning -c 1 -f '%h')" "the header"
    ;;
  acks-0) round_trip -X acks=0 ;;
  acks-1) round_trip -X acks=1 ;;
  idempotent) round_trip -X enable.idempotence=true ;;
  consume-from-beginning)
    records 10 | produce
    same 10 "$(consume -o beginning | wc -l)" "records"
    ;;
  consume-from-timestamp)
    echo "early:1" | produce
    sleep 1.1
    now=$(date +%s%3N)
    echo "late:2" | produce
    same "late:2" "$(consume -o "s@$now")" "records since then"
    ;;
  seek)
    records 10 | produce
    same "key-7:value-7" "$(consume -o 7 -c 1)" "the record at offset 7"
    same "key-2:value-2" "$(consume -o 2 -c 1)" "the record at offset 2"
    same "key-9:value-9" "$(consume -o -1 -c 1)" "the last record"
    ;;
  large-message)
    head -c 691200 /dev/urandom | base64 -w 0 >"$folder/sent"
    run -P -t "$topic" "$folder/sent"
    run -C -t "$topic" -o beginning -e -D '' | cmp - "$folder/sent" || fail "it came back different"
    ;;
  group-one-member)
    records 10 | produce
    member "$folder/one"
    wait_for_lines "$folder/one" 10
    ;;
  group-member-death)
    records 10 | produce
    member "$folder/one"
    wait_for_lines "$folder/one" 10
    sleep 0.5
    kill -9 "$member_pid"
    member "$folder/two"
    echo "after:death" | produce
    wait_for_lines "$folder/two" 1
    same "after:death" "$(tail -n 1 "$folder/two")" "what the survivor reads last"
    ;;
  commit-and-resume)
    records 10 | produce
    member "$folder/one"
    wait_for_lines "$folder/one" 10
    # SIGTERM: it commits and leaves.
    kill "$member_pid"
    wait "$member_pid" || true
    echo "one:more" | produce
    member "$folder/two"
    wait_for_lines "$folder/two" 1
    same "one:more" "$(cat "$folder/two")" "what the second member reads"
    ;;
  reset-earliest)
    records 10 | produce
    member "$folder/one"
    wait_for_lines "$folder/one" 10
    same "key-0:value-0" "$(head -n 1 "$folder/one")" "the first record"
    ;;
  list-offsets)
    records 10 | produce
    same "$topic [0] offset 0" "$(run -Q -t "$topic:0:-2")" "the first offset"
    same "$topic [0] offset 10" "$(run -Q -t "$topic:0:-1")" "the last offset"
    ;;
  describe-cluster)
    run -L >"$folder/listing"
    grep -q "^ 1 brokers:" "$folder/listing" || fail "not one broker: $(cat "$folder/listing")"
    grep -q " at $bootstrap (controller)" "$folder/listing" || fail "no controller"
    ;;
  error-unknown-topic)
    refused "Unknown topic or partition" -C -t "$topic" -e -o beginning \
      -X allow.auto.create.topics=false
    ;;
  error-too-large-record)
    head -c 1200000 /dev/zero | tr '\0' x >"$folder/sent"
    refused "Message size too large" -P -t "$topic" -X message.max.bytes=2000000 "$folder/sent"
    ;;
  error-invalid-topic-name)
    echo x >"$folder/sent"
    refused "Invalid topic" -P -t "not a name" "$folder/sent"
    ;;
  group-join-leave | group-cooperative | group-static-member | group-spare-member)
    cannot "topics have one partition here: kcat cannot create them with more" ;;
  reset-latest) cannot "kcat does not say when a member has its partitions, so nothing is known to be new" ;;
  commit-metadata) cannot "kcat commits without a text" ;;
  *) cannot "kcat has no admin calls" ;;
esac
