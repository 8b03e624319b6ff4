# shellcheck shell=sh
# Sourced by the scripts of this folder: where the built programs are, and which brokers run.
#
# Sets: root   the folder of the checkout
#       name   the script's own name, for messages
#       state  where kafka-server-start.sh -daemon keeps logs and process ids (LOG_DIR, as for Kafka)

root=$(dirname "$(dirname "$(readlink -f "$0")")")
name=$(basename "$(readlink -f "$0")")
# shellcheck disable=SC2034  # for the scripts that source this
state=${LOG_DIR:-$root/logs}

say() {
    printf '%s: %s\n' "$name" "$1" >&2
}

# Prints the path of a program: from ODRADEK_BIN_DIR if that is set, or else what was built in this
# checkout, or else what is on the PATH.
program() {
    if [ -n "${ODRADEK_BIN_DIR:-}" ]; then
        if [ -x "$ODRADEK_BIN_DIR/$1" ]; then
            printf '%s\n' "$ODRADEK_BIN_DIR/$1"
            return
        fi
        say "there is no program $1 in $ODRADEK_BIN_DIR, where ODRADEK_BIN_DIR points"
        return 1
    fi
    if [ -x "$root/target/release/$1" ]; then
        printf '%s\n' "$root/target/release/$1"
        return
    fi
    if command -v "$1"; then
        return
    fi
    say "$1 is neither in $root/target/release nor on the PATH. Build it:"
    printf '    cd %s && cargo build --release -p odradek-broker -p odradek-cli\n' "$root" >&2
    return 1
}

# Becomes the tool under which name this script goes.
run_tool() {
    odradek=$(program odradek) || exit 1
    exec "$odradek" "$name" "$@"
}

# Whether the process is a broker, or about to become one: a number in an old file may be another
# program's by now.
is_broker() {
    case $(ps -o stat= -o comm= -p "$1" 2>/dev/null) in
        Z*) return 1 ;; # dead, and nobody has asked yet how it ended
        *' odradek-broker'* | *' kafka-server-st'* | *' setsid' | *' nohup') return 0 ;;
        *) return 1 ;;
    esac
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
