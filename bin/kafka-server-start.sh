#!/bin/sh
# Starts a broker: in the foreground, or with -daemon in the background, once it is ready.
script=$(readlink -f "$0")
# shellcheck source=bin/programs.sh
. "${script%/*}/programs.sh"

# A crash may leave much to read; longer than this, and somebody should look.
ready_within_s=60

daemon=no
if [ "${1:-}" = -daemon ] || [ "${1:-}" = --daemon ]; then
    daemon=yes
    shift
fi
find_program odradek-broker || exit 1
if ! mkdir -p "$state"; then
    say "set LOG_DIR to a folder that can be written to"
    exit 1
fi
brokers >/dev/null

if [ $daemon = no ]; then
    # exec keeps the process id.
    echo $$ >"$state/broker-$$.pid" || exit 1
    exec "$program" "$@"
fi

log=$state/broker.log
touch "$log" || exit 1
said_before=$(wc -c <"$log")
if command -v setsid >/dev/null; then
    setsid "$program" "$@" >>"$log" 2>&1 </dev/null &
else
    nohup "$program" "$@" >>"$log" 2>&1 </dev/null &
fi
pid=$!
echo "$pid" >"$state/broker-$pid.pid"

# What this start has written into the log.
said() {
    tail -c "+$((said_before + 1))" "$log"
}

tenths=$((ready_within_s * 10))
while [ $tenths -gt 0 ]; do
    if said | grep -q 'ready after [0-9]* ms: '; then
        echo "broker $pid is ready; it writes $log"
        exit 0
    fi
    if ! kill -0 "$pid" 2>/dev/null; then
        rm -f "$state/broker-$pid.pid"
        say "the broker did not start:"
        said | tail -n 20 >&2
        exit 1
    fi
    tenths=$((tenths - 1))
    sleep 0.1
done
say "broker $pid runs, but has not said within $ready_within_s s that it is ready; see $log"
exit 1
