#!/bin/sh
# Stops the brokers that kafka-server-start.sh of this checkout started, and no other.
script=$(readlink -f "$0")
# shellcheck source=bin/programs.sh
. "${script%/*}/programs.sh"

# As long as a service manager waits before it kills.
stopped_within_s=90

pids=$(brokers)
if [ -z "$pids" ]; then
    echo "No kafka server to stop"
    exit 1
fi

# shellcheck disable=SC2086  # several, each a word
kill -TERM $pids
code=0
tenths=$((stopped_within_s * 10))
for pid in $pids; do
    while is_broker "$pid" && [ $tenths -gt 0 ]; do
        tenths=$((tenths - 1))
        sleep 0.1
    done
    if is_broker "$pid"; then
        say "broker $pid was asked to stop, and still runs"
        code=1
    else
        rm -f "$state/broker-$pid.pid"
        echo "broker $pid has stopped"
    fi
done
exit $code
