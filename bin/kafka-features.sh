#!/bin/sh
# shellcheck source=bin/programs.sh
. "$(dirname "$(readlink -f "$0")")/programs.sh"
run_tool "$@"
