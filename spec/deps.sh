#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# deps.sh GROUP...: install what is missing for building (build), testing (check)
# or benchmarking (bench) from the system's packages. Says what it installs;
# says nothing when all is there.
set -u

build="gcc libc6-dev make pkg-config liblua5.4-dev lua5.4 libevent-dev libcurl4-openssl-dev"
check="python3 clang clang-format clang-tidy llvm libclang-rt-14-dev lua-check lua-busted"
bench="python3 nginx-light libnginx-mod-http-lua lua-cjson haproxy strace"

have() {
    case "$1" in
    nginx-light) command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] ;;
    haproxy) command -v haproxy >/dev/null || [ -x /usr/sbin/haproxy ] ;;
    python3 | gcc | make | lua5.4 | strace | clang | clang-format | clang-tidy | pkg-config)
        command -v "$1" >/dev/null ;;
    *) [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ] ;;
    esac
}

missing=
for group in "$@"; do
    for package in ${!group}; do
        have "$package" || missing="$missing $package"
    done
    case "$group" in check | bench)
        command -v node >/dev/null || missing="$missing nodejs"
        command -v npm >/dev/null || missing="$missing npm" ;;
    esac
done
[ -z "$missing" ] && exit 0

root=
[ "$(id -u)" = 0 ] || root=sudo
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
$root apt-get update -qq >"$log" 2>&1
if ! $root apt-get install -y -qq --no-install-recommends $missing >>"$log" 2>&1; then
    tail -20 "$log" >&2
    echo "deps.sh: could not install:$missing" >&2
    exit 1
fi
rm -f "$log"
