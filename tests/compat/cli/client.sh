#!/usr/bin/env bash
# Every case that Apache Kafka's own command-line tools can do.
#
#   usage: client.sh BOOTSTRAP PREFIX CASE       exit 0: passed, 77: the tools cannot do it
#   env:   KAFKA_JARS   the folder of the tools' jars, as `libs` of Apache Kafka's archive
set -eEuo pipefail
export LC_ALL=C

bootstrap=$1
topic=$2
group=$2
case=$3
folder=$(mktemp -d)

cleanup() {
  jobs -p | xargs -r kill -9 || true
  rm -rf "$folder"
}
trap cleanup EXIT
trap 'echo "line $LINENO: $BASH_COMMAND" >&2' ERR

fail() { echo "$*" >&2; exit 1; }
cannot() { echo "$*"; exit 77; }
same() { [ "$1" = "$2" ] || fail "$3: expected '$1', got '$2'"; }
# The text $1 has to contain $2.
says() { grep -qF -- "$2" <<<"$1" || fail "'$2' is not in: $(tail -n 3 <<<"$1" | tr '\n' ' ')"; }

# A tool by its class, as the archive's kafka-*.sh scripts start it, but quicker to begin.
tool() {
  local class=$1
  shift
  java -Xmx256M -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto \
    -Dlog4j2.configurationFile=log4j2.properties -cp "$KAFKA_JARS/*" "$class" \
    --bootstrap-server "$bootstrap" "$@"
}
topics() { tool org.apache.kafka.tools.TopicCommand "$@"; }
groups() { tool org.apache.kafka.tools.consumer.group.ConsumerGroupCommand "$@" 2>&1; }
configs() { tool kafka.admin.ConfigCommand --entity-type topics --entity-name "$topic" "$@"; }
get_offsets() { tool org.apache.kafka.tools.GetOffsetShell --topic "$topic" "$@"; }
producer() { tool org.apache.kafka.tools.ConsoleProducer --topic "$topic" "$@"; }
consumer_until() {
  local timeout_ms=$1
  shift
  tool org.apache.kafka.tools.consumer.ConsoleConsumer --topic "$topic" \
    --timeout-ms "$timeout_ms" "$@" 2>>"$folder/consumer.log"
}
consumer() { consumer_until 40000 "$@"; }

# $1 partitions, then settings. Offsets are asked for so that each partition has its leader.
create() {
  local partitions=$1
  shift
  topics --create --topic "$topic" --partitions "$partitions" "$@" >/dev/null
  get_offsets >/dev/null
}

values() { for ((i = 0; i < $1; i++)); do echo "value-$i"; done; }
produce() { values "$1" | producer; }

# Headers, keys and values come back as they were sent, whichever partition each went to.
round_trip() {
  create 3
  for ((i = 0; i < 1000; i++)); do printf 'n:%d\tkey-%d\tvalue-%d\n' "$i" "$((i % 50))" "$i"; done |
    sort >"$folder/sent"
  producer --reader-property parse.key=true --reader-property parse.headers=true "$@" \
    <"$folder/sent"
  consumer --from-beginning --max-messages 1000 --formatter-property print.key=true \
    --formatter-property print.headers=true | sort >"$folder/found"
  cmp "$folder/sent" "$folder/found" || fail "what was read is not what was sent"
}

# A member in the background, which writes what it reads to the file $1.
member() {
  local file=$1
  shift
  consumer_until 120000 --group "$group" --command-property session.timeout.ms=6000 \
    --command-property heartbeat.interval.ms=500 "$@" >"$file" &
  member_pid=$!
}

# The number of partitions of each member, sorted, as one line.
partition_counts() {
  groups --describe --members --group "$group" |
    awk -v group="$group" '$1 == group { print $NF }' | sort | xargs
}

# Waits until the members have so many partitions.
settle() {
  local found
  for ((i = 0; i < 20; i++)); do
    found=$(partition_counts)
    [ "$found" = "$1" ] && return
  done
  fail "the group does not settle: expected '$1', found '$found'"
}

# A member's tool is a child of the shell that runs it: $1 is the signal, $2 the shell.
signal() { pkill "-$1" -P "$2" java || kill "-$1" "$2"; }

case $case in
  produce-*) round_trip --compression-codec "${case#produce-}" --command-property acks=all ;;
  acks-0) round_trip --command-property acks=0 ;;
  acks-1) round_trip --command-property acks=1 ;;
  idempotent) round_trip --command-property enable.idempotence=true ;;
  consume-from-beginning | reset-earliest)
    create 1
    produce 10
    same "$(values 10)" "$(consumer --from-beginning --max-messages 10)" "the records"
    ;;
  consume-from-timestamp)
    create 1
    produce 5
    now=$(date +%s%3N)
    produce 1
    same "$topic:0:5" "$(get_offsets --time "$now")" "the offset"
    ;;
  seek)
    create 1
    produce 10
    for offset in 7 2; do
      found=$(consumer --partition 0 --offset "$offset" --max-messages 1)
      same "value-$offset" "$found" "the record at offset $offset"
    done
    ;;
  large-message)
    create 1
    head -c 691200 /dev/urandom | base64 -w 0 >"$folder/sent"
    producer --command-property max.request.size=2000000 <"$folder/sent"
    same "$(md5sum <"$folder/sent")" \
      "$(consumer --from-beginning --max-messages 1 | tr -d '\n' | md5sum)" "the record"
    ;;
  group-one-member)
    create 4
    member "$folder/one"
    settle 4
    ;;
  group-join-leave)
    create 4
    member "$folder/one"
    settle 4
    member "$folder/two"
    settle "2 2"
    signal TERM "$member_pid"
    settle 4
    ;;
  group-member-death)
    create 4
    member "$folder/one"
    member "$folder/two"
    settle "2 2"
    signal KILL "$member_pid"
    settle 4
    ;;
  group-cooperative)
    create 4
    strategy=org.apache.kafka.clients.consumer.CooperativeStickyAssignor
    member "$folder/one" --command-property partition.assignment.strategy=$strategy
    settle 4
    member "$folder/two" --command-property partition.assignment.strategy=$strategy
    settle "2 2"
    says "$(groups --describe --state --group "$group")" cooperative-sticky
    ;;
  group-static-member)
    create 4
    member "$folder/one" --command-property group.instance.id=one
    member "$folder/two" --command-property group.instance.id=two
    settle "2 2"
    assignments() {
      groups --describe --members --verbose --group "$group" |
        grep -o '\(one\|two\) .*' | grep -o '^...\|[^ ]*:[0-9,]*' | sort | xargs
    }
    before=$(assignments)
    signal KILL "$member_pid"
    member "$folder/three" --command-property group.instance.id=two
    settle "2 2"
    same "$before" "$(assignments)" "who has what"
    ;;
  group-spare-member)
    create 2
    for name in one two three; do member "$folder/$name"; done
    settle "0 1 1"
    signal TERM "$member_pid"
    settle "1 1"
    ;;
  commit-and-resume)
    create 1
    produce 10
    consumer --group "$group" --from-beginning --max-messages 4 >/dev/null
    found=$(consumer --group "$group" --from-beginning --max-messages 1)
    same value-4 "$found" "the next record"
    ;;
  reset-latest)
    create 1
    produce 10
    member "$folder/late"
    settle 1
    # It begins at the end as soon as it has looked for it.
    for ((i = 0; i < 10; i++)); do
      echo late | producer
      [ -s "$folder/late" ] && break
    done
    same late "$(head -n 1 "$folder/late")" "the first record"
    ;;
  offsets-admin)
    create 1
    produce 10
    consumer --group "$group" --from-beginning --max-messages 5 >/dev/null
    says "$(groups --list)" "$group"
    describe() { groups --describe --group "$group" | awk -v g="$group" '$1 == g { print $4, $6 }'; }
    same "5 5" "$(describe)" "offset and lag"
    groups --reset-offsets --group "$group" --topic "$topic" --to-offset 2 --execute >/dev/null
    same "2 8" "$(describe)" "offset and lag after the reset"
    groups --delete-offsets --group "$group" --topic "$topic" >"$folder/said"
    grep -q "0 .*Successful" "$folder/said" || fail "$(cat "$folder/said")"
    same "" "$(describe)" "offsets after they were deleted"
    # With its last offset an empty group is gone too, unless it is made again.
    groups --reset-offsets --group "$group" --topic "$topic" --to-offset 2 --execute >/dev/null
    says "$(groups --delete --group "$group")" "was successful"
    if groups --list | grep -q "^$group$"; then fail "it is still listed"; fi
    ;;
  create-topic)
    create 3 --config retention.ms=3600000
    found=$(topics --describe --topic "$topic")
    says "$found" "PartitionCount: 3"
    says "$found" "retention.ms=3600000"
    ;;
  create-partitions)
    create 2
    topics --alter --topic "$topic" --partitions 4
    same 4 "$(get_offsets | wc -l)" "partitions"
    ;;
  delete-topic)
    create 1
    topics --delete --topic "$topic"
    for ((i = 0; i < 10; i++)); do
      topics --list | grep -q "^$topic$" || exit 0
    done
    fail "it is still there"
    ;;
  delete-records)
    create 1
    produce 10
    printf '{"partitions":[{"topic":"%s","partition":0,"offset":4}],"version":1}' "$topic" \
      >"$folder/below.json"
    tool org.apache.kafka.tools.DeleteRecordsCommand --offset-json-file "$folder/below.json" \
      >"$folder/said"
    grep -q "low_watermark: 4" "$folder/said" || fail "$(cat "$folder/said")"
    same "$topic:0:4" "$(get_offsets --time -2)" "the first offset"
    same value-4 "$(consumer --from-beginning --max-messages 1)" "the first record"
    ;;
  describe-configs)
    create 1 --config retention.ms=3600000
    found=$(configs --describe --all)
    says "$found" "retention.ms=3600000 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:retention.ms=3600000"
    says "$found" "cleanup.policy=delete sensitive=false synonyms={DEFAULT_CONFIG:log.cleanup.policy=delete"
    # The names of all settings of a topic, which are those of this version of Kafka.
    names=$(sed -n 's/^  \([a-z0-9.]*\)=.*/\1/p' <<<"$found" | sort | xargs)
    same "$(sort <topic-configs | xargs)" "$names" "the settings"
    ;;
  incremental-alter-configs)
    create 1 --config retention.ms=3600000
    configs --alter --add-config max.message.bytes=2000 >/dev/null
    configs --alter --delete-config retention.ms >/dev/null
    found=$(configs --describe)
    says "$found" "max.message.bytes=2000 "
    if grep -q "retention.ms" <<<"$found"; then fail "retention.ms is still set"; fi
    ;;
  list-offsets)
    create 1
    produce 10
    same "$topic:0:0" "$(get_offsets --time earliest)" "the first offset"
    same "$topic:0:10" "$(get_offsets --time latest)" "the last offset"
    # All were sent at about the same time: any of them may be the latest.
    [[ $(get_offsets --time max-timestamp) =~ ^$topic:0:[0-9]$ ]] || fail "no greatest timestamp"
    ;;
  describe-cluster)
    cluster() { java -cp "$KAFKA_JARS/*" -Dlog4j2.configurationFile=log4j2.properties \
      org.apache.kafka.tools.ClusterTool "$@" --bootstrap-server "$bootstrap"; }
    says "$(cluster cluster-id)" "Cluster ID: "
    says "$(cluster list-endpoints)" "${bootstrap%:*}"
    create 1
    said=$(tool org.apache.kafka.tools.LogDirsCommand --describe --topic-list "$topic")
    says "$said" "\"partition\":\"$topic-0\""
    ;;
  error-unknown-topic)
    said=$(topics --describe --topic "$topic" 2>&1) && fail "no error"
    says "$said" "Topic '$topic' does not exist as expected"
    ;;
  error-too-large-record)
    create 1 --config max.message.bytes=10000
    said=$(head -c 20000 /dev/zero | tr '\0' x | producer 2>&1 || true)
    says "$said" "RecordTooLargeException"
    ;;
  error-invalid-topic-name)
    said=$(topics --create --topic "not a name" 2>&1) && fail "no error"
    says "$said" "InvalidTopicException"
    ;;
  error-duplicate-topic)
    create 1
    said=$(topics --create --topic "$topic" 2>&1) && fail "no error"
    says "$said" "Topic '$topic' already exists."
    ;;
  error-bad-partition-count)
    create 3
    said=$(topics --alter --topic "$topic" --partitions 2 2>&1) && fail "no error"
    says "$said" "currently has 3 partition(s); 2 would not be an increase"
    ;;
  error-unknown-group)
    says "$(groups --describe --group "$group")" "Group $group not found"
    says "$(groups --delete --group "$group")" "GroupIdNotFoundException"
    ;;
  commit-metadata) cannot "no tool shows a commit's text" ;;
  alter-configs) cannot "the tools change settings one by one since version 4.0" ;;
  *) fail "$case is no case" ;;
esac
