#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Stopping: nobody new, those inside finish, then the process ends."""

import signal
import threading
import time

from lib import (Client, Wrong, chat, check, equal, main, promise, request,
                 says, silent, within)


def gated(gate):
    def behave(call):
        call.begin()
        call.event("first ")
        gate.wait(10)
        call.event("last")
        call.done()
    return behave


def refuses(server):
    """New connections are not taken."""
    def tried():
        try:
            client = Client(server.port)
        except (ConnectionRefusedError, ConnectionResetError):
            return True
        client.close()
        return False

    within(5, tried, "new connections are refused")


@promise("SIGTERM: streams and whole answers in flight finish, new connections "
         "are refused, the process ends right behind the last one with 0",
         daemon=True)
def sigterm(w):
    gate = threading.Event()

    def whole(call):
        gate.wait(10)
        says("whole")(call)

    up = w.upstream(gated(gate), whole)
    server = w.leme(a=up)
    stream, other, idle = (server.client() for _ in range(3))
    idle.send(request("/livez", method="GET"))
    equal(idle.response().status, 200, "status")
    stream.send(chat(stream=True))
    stream.until(b"first")
    other.send(chat())
    up.wait(2)
    server.process.send_signal(signal.SIGTERM)
    refuses(server)
    check(idle.at_end(), "an idle connection is kept")
    check(server.process.poll() is None, "it ends too soon")
    gate.set()
    answer = stream.response()
    equal(answer.text, "first last", "text of the stream")
    equal(answer.stream_errors, [], "errors")
    equal(other.response().text, "whole", "text of the whole answer")
    check(stream.at_end() and other.at_end(), "connections are kept")
    began = time.monotonic()
    equal(server.process.wait(10), 0, "exit status")
    check(time.monotonic() - began < 2, "it lingers",
          time.monotonic() - began)


@promise("a request that begins on an open connection during a drain is "
         "answered or cleanly closed, never cut", daemon=True)
def late_request(w):
    gate = threading.Event()
    up = w.upstream(gated(gate), says("late"))
    server = w.leme(a=up)
    stream, begun = server.client(), server.client()
    stream.send(chat(stream=True))
    stream.until(b"first")
    begun.send(chat()[:40])             # a head is on its way
    server.process.send_signal(signal.SIGTERM)
    refuses(server)
    try:
        begun.send(chat()[40:])
        answer = begun.response()
        check(answer.status in (200, 503), "status", answer.status)
        equal(answer.headers.get("connection"), "close", "connection")
    except (OSError, Wrong):
        equal(bytes(begun.data), b"", "bytes before the end")
    gate.set()
    equal(stream.response().text, "first last", "text")
    equal(server.process.wait(10), 0, "exit status")


@promise("at drain_timeout what is left ends with one error event, and the "
         "exit status says so", daemon=True)
def drain_limit(w):
    up = w.upstream(lambda c: (c.begin(), c.event("first"), c.gone()), silent)
    server = w.leme("settings { drain_timeout = 1 }", a=up, expect=6)
    stream, whole = server.client(), server.client()
    stream.send(chat(stream=True))
    stream.until(b"first")
    whole.send(chat())
    up.wait(2)
    began = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    answer = stream.response()
    equal(answer.text, "first", "text")
    check(answer.complete, "the stream is cut")
    equal([e["error_type"] for e in answer.stream_errors],
          ["gateway_draining"], "errors")
    answer = whole.response()
    equal(answer.status, 503, "status of the whole one")
    equal(answer.error, "gateway_draining", "error of the whole one")
    equal(server.process.wait(10), 6, "exit status")
    check(time.monotonic() - began < 5, "it takes too long")


@promise("a second signal ends it at once with status 2", daemon=True)
def second(w):
    up = w.upstream(silent)
    server = w.leme(a=up, expect=2)
    client = server.client()
    client.send(chat())
    up.wait()
    server.process.send_signal(signal.SIGTERM)
    refuses(server)
    server.process.send_signal(signal.SIGTERM)
    equal(server.process.wait(5), 2, "exit status")


@promise("POST /v1/drain: readyz says 503, requests are still answered, and "
         "connections are asked to close", daemon=True)
def drain(w):
    server = w.leme(a=w.upstream())
    kept = server.client()
    kept.send(request("/readyz", method="GET"))
    equal(kept.response().status, 200, "readyz before")
    equal(server.admin("POST", "/v1/drain").status // 100, 2, "status")
    equal(server.admin("GET", "/readyz").status, 503, "readyz of the admin")
    equal(server.admin("GET", "/livez").status, 200, "livez")
    equal(server.admin("GET", "/v1/status").json["phase"], "draining", "phase")


@promise("an idle process ends at once on SIGTERM and SIGINT", daemon=True)
def idle(w):
    for which in (signal.SIGTERM, signal.SIGINT):
        server = w.leme(a=w.upstream())
        client = server.client()
        client.send(chat())
        equal(client.response().status, 200, "status")
        began = time.monotonic()
        server.process.send_signal(which)
        equal(server.process.wait(5), 0, "exit status")
        check(time.monotonic() - began < 2, "it takes too long")


@promise("policy.every and sleeping policies do not hold the end up",
         daemon=True)
def timers(w):
    server = w.leme('model "m" { policy = "p.lua", default_route = { "a/x" } }',
                    {"p.lua": '''
local leme = require "leme"
return leme.policy {
  name = "p",
  route = "a/x",
  every = { [1] = function() end },
}
'''}, a=w.upstream())
    equal(server.chat().status, 200, "status")
    server.process.send_signal(signal.SIGTERM)
    equal(server.process.wait(5), 0, "exit status")


@promise("SIGQUIT ends the process at once and says where policies wait",
         daemon=True)
def stacks(w):
    up = w.upstream(silent)
    server = w.leme('model "m" { policy = "p.lua", default_route = { "a/x" } }',
                    {"p.lua": '''
local leme = require "leme"
local function ask(req)
  local answer = req:try "a/x"
  return answer
end
return leme.policy {
  name = "p",
  route = function(req)
    local answer = ask(req)
    return answer
  end,
}
'''}, a=up, expect=6)
    client = server.client()
    client.send(chat())
    up.wait()
    server.process.send_signal(signal.SIGQUIT)
    equal(server.process.wait(5), 6, "exit status: a stream was cut")
    server.wait_line("stack of policy p, request ")
    server.wait_line(r"p\.lua:4: in .*'ask'")
    server.wait_line(r"p\.lua:10: in ")


if __name__ == "__main__":
    main()
