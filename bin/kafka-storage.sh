#!/bin/sh
# The two steps of Kafka's quick start before the broker's first start. Neither is needed here.
script=$(readlink -f "$0")
# shellcheck source=bin/programs.sh
. "${script%/*}/programs.sh"

case ${1:-} in
    random-uuid)
        # An id may not begin with a dash: it would look like an option.
        while id=$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=') && [ "${id#-}" != "$id" ]; do :; done
        echo "$id"
        ;;
    format)
        echo "There is nothing to format: a broker makes its folder, and an id for its cluster, at its first start."
        ;;
    *)
        say "usage: kafka-storage.sh random-uuid | format"
        exit 1
        ;;
esac
