#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh [PATTERN]: the official clients against leme (LEME, or build/leme), and, when
# RECORDINGS names a folder of recorded exchanges, against those. Installs the pinned
# packages on first use.
HERE=$PWD
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
case "${RECORDINGS:-/}" in
/*) ;;
*) RECORDINGS=$HERE/$RECORDINGS ;;
esac
export LEME RECORDINGS
exec node run.js "$@"
