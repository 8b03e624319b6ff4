# shellcheck shell=sh
# Sourced by the scripts of this folder: where the built programs are, and which brokers run.
#
# Needs: script  the script's own file, without links
# Sets:  root    the folder of the checkout
#        name    the script's own name, for messages
#        state   where kafka-server-start.sh keeps logs and process ids (LOG_DIR, as for Kafka)
#
# Few processes are started here: each would take as long as a tool.

# shellcheck disable=SC2154  # see above
root=${script%/*/*}
name=${script##*/}
# shellcheck disable=SC2034  # for the scripts that source this
state=${LOG_DIR:-$root/logs}

say() {
    printf '%s: %s\n' "$name" "$1" >&2
}

# Sets program to the path of one: from ODRADEK_BIN_DIR if that is set, or else what was built in
# this checkout, or else what is on the PATH.
find_program() {
    if [ -n "${ODRADEK_BIN_DIR:-}" ]; then
        program=$ODRADEK_BIN_DIR/$1
        if [ ! -x "$program" ]; then
            say "there is no program $1 in $ODRADEK_BIN_DIR, where ODRADEK_BIN_DIR points"
            return 1
        fi
    elif [ -x "$root/target/release/$1" ]; then
        program=$root/target/release/$1
    elif ! program=$(command -v "$1"); then
        say "$1 is neither in $root/target/release nor on the PATH. Build it:"
        printf '    cd %s && cargo build --release -p odradek-broker -p odradek-cli\n' "$root" >&2
        return 1
    fi
}

# Becomes the tool under which name this script goes.
run_tool() {
    find_program odradek || exit 1
    exec "$program" "$name" "$@"
}

# Whether the process is a broker, or about to become one: a number in an old file may be another
# program's by now. Asks the kernel: not every machine has ps.
is_broker() {
    { read -r command <"/proc/$1/comm"; } 2>/dev/null || return 1
    case $command in
        odradek-broker | kafka-server-st* | setsid | nohup) ;;
        *) return 1 ;;
    esac
    # One that is dead stays until somebody has asked how it ended.
    while read -r key value _; do
        [ "$key" != State: ] || [ "$value" != Z ] || return 1
    done 2>/dev/null <"/proc/$1/status"
}

# Prints the process ids of the brokers that were started from here and still run, and forgets the
# others.
brokers() {
    for file in "$state"/broker-*.pid; do
        [ -f "$file" ] || continue
        pid=$(cat "$file")
        if is_broker "$pid"; then
            echo "$pid"
        else
            rm -f "$file"
        fi
    done
}
