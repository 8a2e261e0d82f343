#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A client that leaves stops its provider at once; nothing else is disturbed."""

import threading
import time

from lib import (HOST, chat, check, equal, main, promise, request, says,
                 silent, streams)

AT_ONCE = 0.2           # seconds until the provider's connection must be closed
HALF_CLOSE = 'listen { "%s:0", half_close = "answer" }\n' % HOST


def stopped_within(call, since):
    call.finished.wait(5)
    check(call.left is not None, "the upstream connection stays open")
    took = call.left - since
    check(took < AT_ONCE, "the upstream connection is closed after %.3f s"
          % took)


def line_of(server, model="m"):
    import json
    return json.loads(server.wait_line(r'"msg":"request".*"model":"%s"'
                                       % model))


WAYS = {"FIN": lambda c: c.finish(), "RST": lambda c: c.reset(),
        "a close": lambda c: c.close()}


def leaves(name, leave, stream):
    @promise("a client that leaves with %s while the provider thinks (%s) "
             "stops it within 200 ms"
             % (name, "stream" if stream else "whole"), alone=True)
    def thinking(w):
        up, spare = w.upstream(silent), w.upstream(says("never"))
        server = w.leme(a=up, b=spare)
        client = server.client()
        client.send(chat(stream=stream))
        call = up.wait()
        since = time.monotonic()
        leave(client)
        stopped_within(call, since)
        line = line_of(server)
        equal(line["error_type"], "caller_cancelled", "error type")
        equal(line["end"], "CF", "end")
        equal(len(spare.calls), 0, "calls of the second target")


for way, act in WAYS.items():
    for kind in (False, True):
        leaves(way, act, kind)


def leaves_stream(name, leave):
    @promise("a client that leaves with %s in the middle of a stream stops "
             "the provider within 200 ms" % name, alone=True)
    def midstream(w):
        up = w.upstream(streams("one ", "two ", then=lambda c: c.gone()))
        server = w.leme(a=up)
        client = server.client()
        client.send(chat(stream=True))
        client.until(b"two ")
        since = time.monotonic()
        leave(client)
        stopped_within(up.wait(), since)
        line = line_of(server)
        equal(line["error_type"], "caller_cancelled", "error type")
        equal(line["end"], "CD", "end")


for way, act in WAYS.items():
    leaves_stream(way, act)


def gated(gate, text="late"):
    def behave(call):
        gate.wait(10)
        says(text)(call)
    return behave


@promise("half_close = \"answer\": a client that has finished sending still "
         "gets its whole answer", daemon=True)
def half_close_whole(w):
    gate = threading.Event()
    up = w.upstream(gated(gate))
    client = w.leme(HALF_CLOSE, a=up).client()
    client.send(chat())
    client.finish()
    up.wait()
    gate.set()
    equal(client.response().text, "late", "text")
    check(client.at_end(), "the connection stays open")


@promise("half_close = \"answer\": a client that has finished sending still "
         "gets its whole stream", daemon=True)
def half_close_stream(w):
    gate = threading.Event()
    up = w.upstream(gated(gate, "one two three"))
    client = w.leme(HALF_CLOSE, a=up).client()
    client.send(chat(stream=True))
    client.finish()
    up.wait()
    gate.set()
    answer = client.response()
    equal(answer.text, "one two three", "text")
    check(answer.complete, "cut")


@promise("half_close = \"answer\": a reset is still a client that left",
         daemon=True, alone=True)
def half_close_reset(w):
    up = w.upstream(silent)
    client = w.leme(HALF_CLOSE, a=up).client()
    client.send(chat())
    call = up.wait()
    since = time.monotonic()
    client.reset()
    stopped_within(call, since)


@promise("a client that leaves in the middle of its body costs no call")
def leaves_in_body(w):
    up = w.upstream()
    server = w.leme(a=up)
    client = server.client()
    client.send(chat()[:-9])
    client.close()
    equal(server.chat().text, "hi", "text of the next request")
    equal(len(up.calls), 1, "calls")


@promise("a client that leaves during a hedge stops both attempts",
         alone=True)
def leaves_hedge(w):
    a, b = w.upstream(silent), w.upstream(silent)
    server = w.leme('model "m" { policy = "p.lua", default_route = { "a/x" } }',
                    {"p.lua": '''
local leme = require "leme"
return leme.policy { name = "p", route = leme.race { "a/x", "b/x" } }
'''}, a=a, b=b)
    client = server.client()
    client.send(chat())
    calls = a.wait(), b.wait()
    since = time.monotonic()
    client.close()
    for call in calls:
        stopped_within(call, since)


@promise("a client that leaves while the policy sleeps ends the request")
def leaves_sleep(w):
    up = w.upstream()
    server = w.leme('model "m" { policy = "p.lua", default_route = { "a/x" } }',
                    {"p.lua": '''
local leme = require "leme"
return leme.policy {
  name = "p",
  route = function(req)
    leme.log("asleep")
    leme.sleep(30)
    return req:try "a/x"
  end,
}
'''}, a=up)
    client = server.client()
    client.send(chat())
    server.wait_line("asleep")
    client.close()
    equal(line_of(server)["error_type"], "caller_cancelled", "error type")
    equal(len(up.calls), 0, "calls")


@promise("many clients that leave at every moment leave nothing behind",
         alone=True)
def storm(w):
    import random
    dice = random.Random(7)

    def behave(call):
        call.begin()
        for _ in range(3):
            call.event("word ")
        call.done()

    up = w.upstream(behave)
    server = w.leme(a=up)
    data = chat(stream=True)
    for _ in range(300):
        client = server.client()
        client.send(data[:dice.randint(1, len(data))] if dice.random() < .3
                    else data)
        if dice.random() < .5 and client.sock.send(b""):
            client.more()
        (client.reset if dice.random() < .5 else client.close)()
    equal(server.chat(stream=True).text, "word word word ", "text")
    check(server.client() and server.process.poll() is None, "it died")


@promise("a request that was answered is not touched by a client that closes "
         "right behind it")
def close_behind(w):
    up = w.upstream()
    server = w.leme(a=up)
    for _ in range(20):
        client = server.client()
        client.send(chat())
        equal(client.response().status, 200, "status")
        client.close()
    equal(len(server.said('"error_type":"caller_cancelled"')), 0,
          "requests said to be cancelled")
    client = server.client()
    client.send(request("/v1/models", method="GET"))
    equal(client.response().status, 200, "status")


if __name__ == "__main__":
    main()
