#!/bin/sh
script=$(readlink -f "$0")
# shellcheck source=bin/programs.sh
. "${script%/*}/programs.sh"
run_tool "$@"
