#!/bin/sh
# `make demo`: gets what a guest needs, then runs the demonstration on the Node that the packages pin,
# with castorefs as `make build` left it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
"$here/setup.sh"
export CASTOREFS_COMMAND="$here/../src/cli/castorefs.sh"
exec node --conditions=castorefs-source --disable-warning=ExperimentalWarning "$here/demo.ts" "$@"
