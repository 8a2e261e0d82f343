#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Dialects under --lua-dir are reloaded like policies."""

import json
import os
import shutil
import signal

from client import request
from lib import check, completion, equal, main, promise

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(
    __file__))))
MESSAGES = "function Reader:others(body, out)\n"
DROPS = 'drop = set "n logit_bias store metadata"'


def serve(w):
    """A server with library files of its own, and a provider whose dialect
    needs them."""
    up = w.upstream(lambda c: c.reply(200, completion("hi")))
    folder = os.path.join(w.folder, "library")
    shutil.copytree(os.path.join(ROOT, "lua", "leme"),
                    os.path.join(folder, "leme"))
    server = w.leme('provider "p" { base = "http://127.0.0.1:%d/v1", dialect = '
                    '"deepseek", key = "sk-secret-123" }\n'
                    'model "m" { "p/x" }\n' % up.port,
                    arguments=["--lua-dir", folder])
    return server, up, os.path.join(folder, "leme", "dialect", "vendors.lua")


def edit(path, before, after):
    with open(path, encoding="utf-8") as f:
        text = f.read()
    check(before in text, "nothing to edit: " + before)
    with open(path + ".new", "w", encoding="utf-8") as f:
        f.write(text.replace(before, after))
    os.rename(path + ".new", path)


def sent(server, up):
    equal(server.chat(seed=7, logit_bias={"1": 1}).text, "hi", "text")
    return up.calls[-1].json


@promise("an edited dialect serves the next request after SIGHUP", daemon=True)
def hangup(w):
    server, up, vendors = serve(w)
    check("seed" in sent(server, up), "seed is dropped already")
    edit(vendors, DROPS, DROPS.replace("n ", "n seed ", 1))
    server.process.send_signal(signal.SIGHUP)
    server.wait_line(r"reload applied")
    check("seed" not in sent(server, up), "the old dialect serves")


@promise("a dialect with a mistake changes nothing, and the log names file and "
         "line", daemon=True)
def broken(w):
    server, up, vendors = serve(w)
    edit(vendors, DROPS, "drop = set(")
    server.process.send_signal(signal.SIGHUP)
    line = server.wait_line(r"reload rejected")
    check("leme/dialect/vendors.lua:" in line, "file and line", line)
    check("logit_bias" not in sent(server, up), "the dialect is gone")
    edit(vendors, "drop = set(", 'drop = set "seed"')
    server.process.send_signal(signal.SIGHUP)
    server.wait_line(r"reload applied")
    equal({"seed", "logit_bias"} & set(sent(server, up)), {"logit_bias"},
          "the mended dialect")


@promise("a vendor added to a file can be configured at once; a misspelt one is "
         "refused with file and line", daemon=True)
def added(w):
    server, up, vendors = serve(w)
    edit(vendors, "vendors.list = {", 'vendors.list = {\n  newcomer = { drop = '
         'set "seed" },')
    config = server.files["leme.lua"]
    server.write("leme.lua", config.replace('"deepseek"', '"newcommer"'))
    server.process.send_signal(signal.SIGHUP)
    line = server.wait_line(r"reload rejected")
    check("leme.lua:" in line and 'did you mean "newcomer"' in line, "words", line)
    server.write("leme.lua", config.replace('"deepseek"', '"newcomer"'))
    server.process.send_signal(signal.SIGHUP)
    server.wait_line(r"reload applied")
    check("seed" not in sent(server, up), "the old dialect serves")


@promise("a surface that raises is our fault, not the client's: 500 and file:line in "
         "the log; the next reload mends it", daemon=True)
def surface_raises(w):
    server, up, vendors = serve(w)
    path = os.path.join(os.path.dirname(vendors), "..", "surface", "messages_request.lua")
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}

    def ask():
        client = server.client()
        client.send(request("/v1/messages", json.dumps(body).encode()))
        return client.response()

    equal(ask().status, 200, "status before")
    edit(path, MESSAGES, MESSAGES + "local nothing = nil; nothing.at_all = 1;")
    server.process.send_signal(signal.SIGHUP)
    server.wait_line(r"reload applied")
    answer = ask()
    equal(answer.status, 500, "status")
    equal(answer.json["error"]["type"], "api_error", "type")
    server.wait_line(r"surface/messages_request.lua:\d+: .*nothing")
    equal(len(up.calls), 1, "calls")
    edit(path, "local nothing = nil; nothing.at_all = 1;", "")
    server.process.send_signal(signal.SIGHUP)
    server.wait_line(r"reload applied", 2)
    equal(ask().status, 200, "status after")


@promise("the watch sees a dialect, too, mended or broken", daemon=True)
def watched(w):
    server, up, vendors = serve(w)
    server.write("leme.lua", server.files["leme.lua"] +
                 "settings { watch = true }\n")
    server.process.send_signal(signal.SIGHUP)
    server.wait_line(r"reload applied")
    edit(vendors, DROPS, "drop = (")
    server.wait_line(r"reload rejected")
    edit(vendors, "drop = (", 'drop = set "seed"')
    server.wait_line(r"reload applied", 2)
    check("seed" not in sent(server, up), "the old dialect serves")


if __name__ == "__main__":
    main()
