#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh [PATTERN]: the official clients against leme. Installs the pinned
# packages on first use.
cd "$(dirname "$0")" || exit 1
if ! cmp -s package-lock.json node_modules/.installed; then
    npm ci --silent --no-audit --no-fund >/dev/null 2>node.log || { cat node.log; exit 1; }
    rm -f node.log
    cp package-lock.json node_modules/.installed
fi
case "${LEME:-build/leme}" in
/*) ;;
*) LEME=$(cd ../.. && pwd)/${LEME:-build/leme} ;;
esac
export LEME
exec node run.js "$@"
