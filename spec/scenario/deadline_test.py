#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Deadlines are absolute; only data pushes the idle one back."""

import threading
import time

from lib import (Wrong, chat, check, ends_with_one_error, equal, main,
                 promise, request, says, silent)


def attempts_of(server, answer):
    return [e for e in server.record(answer.id) if e["kind"] == "attempt"]


def trickle(piece, seconds):
    """${piece} every ${seconds} until leme has enough of it."""
    def behave(call):
        call.begin()
        call.event("one")
        stop = threading.Event()
        call.sock.settimeout(seconds)
        while not stop.is_set():
            try:
                if not call.sock.recv(1):
                    break
            except TimeoutError:
                call.chunk(piece)
            except OSError:
                break
        call.left = time.monotonic()
        call.closed = True
    return behave


@promise("a model's total bounds the whole request, over all its targets")
def total(w):
    ups = {n: w.upstream(silent) for n in "abc"}
    server = w.leme('model "m" { "a/x", "b/x", "c/x", total = 0.5 }\n'
                    "settings { first_token_timeout = 0.3 }", **ups)
    began = time.monotonic()
    answer = server.chat(stream=True)
    took = time.monotonic() - began
    equal(answer.status, 504, "status")
    equal(answer.error, "provider_timeout_total", "error")
    check(0.4 < took < 3, "answered after %.2f s" % took)
    equal(len(ups["c"].calls), 0, "calls of the third target")


@promise("a whole answer that does not come ends at the total")
def total_whole(w):
    up = w.upstream(silent)
    answer = w.leme("settings { total_timeout = 0.4 }", a=up).chat()
    equal(answer.status, 504, "status")
    equal(answer.error, "provider_timeout_total", "error")
    up.calls[0].finished.wait(5)
    check(up.calls[0].left, "the provider is kept")


@promise("a committed stream ends at the total with one error event")
def total_stream(w):
    up = w.upstream(trickle(b'data: {"choices":[{"index":0,"delta":'
                            b'{"content":"."}}]}\n\n', 0.05))
    answer = w.leme("settings { total_timeout = 0.6 }", a=up).chat(stream=True)
    text = answer.text
    check(text.startswith("one...") and set(text[3:]) == {"."}, "text", text)
    ends_with_one_error(answer, text, "provider_timeout_total")


@promise("comments do not push the idle deadline back")
def idle_comments(w):
    up = w.upstream(trickle(b": keep-alive\n\n", 0.1))
    answer = w.leme("settings { idle_timeout = 0.5 }", a=up).chat(stream=True)
    ends_with_one_error(answer, "one", "provider_timeout_idle")
    up.calls[0].finished.wait(5)
    check(up.calls[0].left, "the provider is kept")


@promise("data pushes the idle deadline back")
def idle_data(w):
    def behave(call):
        call.begin()
        for _ in range(8):
            call.event("x")
            time.sleep(0.15)        # the behaviour under test, not a wait
        call.done()

    up = w.upstream(behave)
    answer = w.leme("settings { idle_timeout = 0.6 }", a=up).chat(stream=True)
    equal(answer.text, "x" * 8, "text")
    equal(answer.stream_errors, [], "errors")


@promise("a policy's own first_token limit moves to the next target")
def policy_limit(w):
    slow, good = w.upstream(silent), w.upstream(says("quick"))
    server = w.leme('model "m" { policy = "p.lua", default_route = { "a/x" } }',
                    {"p.lua": '''
local leme = require "leme"
return leme.policy {
  name = "p",
  route = function(req)
    local answer = req:try("a/x", { first_token = 0.2 })
    leme.trace("error", answer.error)
    if answer.ok then return answer end
    return req:try "b/x"
  end,
}
'''}, a=slow, b=good)
    answer = server.chat(stream=True)
    equal(answer.text, "quick", "text")
    equal(attempts_of(server, answer)[0]["error"],
          "provider_timeout_first_token", "error")


@promise("a policy's total limit holds for whole answers too")
def policy_total(w):
    slow, good = w.upstream(silent), w.upstream(says("quick"))
    server = w.leme('model "m" { policy = "p.lua", default_route = { "a/x" } }',
                    {"p.lua": '''
local leme = require "leme"
return leme.policy {
  name = "p",
  route = leme.fallback { leme.limit("a/x", { total = 0.2 }), "b/x" },
}
'''}, a=slow, b=good)
    answer = server.chat()
    equal(answer.text, "quick", "text")
    equal(attempts_of(server, answer)[0]["error"], "provider_timeout_total",
          "error")


def closes_with(client, statuses):
    check(client.at_end(10), "the connection stays open")
    if client.data or 408 in statuses:
        equal(int(bytes(client.data).split()[1]), 408, "status")
        check(b'"error"' in client.data, "no error body", bytes(client.data))


@promise("a head that does not come whole ends with 408, however it trickles")
def slow_head(w):
    up = w.upstream()
    server = w.leme("settings { header_timeout = 1 }", a=up)
    quiet, drip = server.client(), server.client()
    quiet.send(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n")
    drip.send(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-a: ")
    began = time.monotonic()
    drip.sock.settimeout(0.2)
    while time.monotonic() - began < 5:
        try:
            if not drip.more():
                break
        except Wrong:
            try:
                drip.send(b"a")
            except OSError:
                break
    took = time.monotonic() - began
    check(took < 4, "bytes push the header deadline back: %.1f s" % took)
    closes_with(quiet, [408])
    equal(server.chat().status, 200, "status of another client")


@promise("a body that does not come whole ends with 408")
def slow_body(w):
    up = w.upstream()
    server = w.leme("settings { body_timeout = 1 }", a=up)
    for part in (chat()[:-5],
                 b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"
                 b"content-type: application/json\r\n"
                 b"transfer-encoding: chunked\r\n\r\n5\r\n{\"mod"):
        client = server.client()
        client.send(part)
        closes_with(client, [408])
    equal(len(up.calls), 0, "calls")
    server.wait_line('"error_type":"caller_timeout"', 2)


@promise("a connection that says nothing is closed at the keep-alive timeout, "
         "without a word")
def idle_connection(w):
    server = w.leme("settings { keepalive_timeout = 1, header_timeout = 1 }",
                    a=w.upstream())
    fresh, used = server.client(), server.client()
    used.send(chat())
    equal(used.response().status, 200, "status")
    for client in (fresh, used):
        check(client.at_end(8), "the connection stays open")
        equal(bytes(client.data), b"", "bytes at the end")


@promise("a request that is being answered is not cut by the connection's "
         "deadlines")
def slow_answer(w):
    gate = threading.Event()

    def behave(call):
        gate.wait(10)
        says("late")(call)

    up = w.upstream(behave)
    server = w.leme("settings { keepalive_timeout = 1, header_timeout = 1, "
                    "body_timeout = 1, write_timeout = 1 }", a=up)
    client, clock = server.client(), server.client()
    client.send(chat())
    up.wait()
    check(clock.at_end(8), "the idle connection beside it stays open")
    gate.set()
    equal(client.response().text, "late", "text")


@promise("a provider that accepts no connection in time is passed over")
def connect_timeout(w):
    import socket
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    held = []
    for _ in range(8):                  # fill the backlog
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(full.getsockname())
        held.append(s)
    good = w.upstream(says("here"))
    server = w.leme('provider "full" { base = "http://127.0.0.1:%d/v1", '
                    'key = "sk-full-key" }\n'
                    'model "m" { "full/x", "b/x" }\n'
                    "settings { connect_timeout = 0.5 }"
                    % full.getsockname()[1], b=good)
    answer = server.chat()
    equal(answer.text, "here", "text")
    equal(attempts_of(server, answer)[0]["error"], "provider_timeout_connect",
          "error")
    began = time.monotonic()
    server.stop()
    check(time.monotonic() - began < 3, "the end waits for it")
    for s in held + [full]:
        s.close()


@promise("a client that reads nothing is dropped at the write timeout, and "
         "its provider is let go")
def write_timeout(w):
    def behave(call):
        call.begin()
        call.sock.settimeout(10)
        try:
            while True:
                call.event("x" * 60000)
        except OSError:
            pass
        call.left = time.monotonic()
        call.closed = True

    up = w.upstream(behave)
    server = w.leme("settings { write_timeout = 1 }", a=up)
    client = server.client()
    client.send(chat(stream=True))
    call = up.wait()
    check(call.finished.wait(10), "the provider is kept")
    server.wait_line('"msg":"request"')


@promise("an idle keep-alive connection costs no place in flight")
def idle_is_free(w):
    up = w.upstream()
    server = w.leme("settings { max_in_flight = 1 }", a=up)
    clients = [server.client() for _ in range(10)]
    for client in clients:
        client.send(chat())
        equal(client.response().status, 200, "status")


@promise("a stream's first-token limit does not count for whole answers")
def first_token_whole(w):
    def behave(call):
        threading.Event().wait(0.5)     # slower than the limit
        says("slow but whole")(call)

    up = w.upstream(behave)
    server = w.leme("settings { first_token_timeout = 0.2 }", a=up)
    equal(server.chat().text, "slow but whole", "text")


@promise("GET and HEAD of own paths need no deadline of their own")
def own_paths(w):
    client = w.leme(a=w.upstream()).client()
    client.send(request("/livez", method="GET"))
    equal(client.response().status, 200, "status")
    client.send(request("/v1/models", method="GET", version="1.0"))
    equal(client.response().status, 200, "status")
    check(client.at_end(), "HTTP/1.0 stays open")


if __name__ == "__main__":
    main()
