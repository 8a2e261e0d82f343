#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Back-pressure and ceilings: a slow client costs bounded memory and loses
nothing."""

import json
import threading
import time

from lib import (chat, check, completion, equal, main, promise, request,
                 within)

EVENT = "y" * 1000


class Flood:
    """Streams ${count} events as fast as leme takes them."""

    def __init__(self, count):
        self.count = count
        self.sent = 0

    def __call__(self, call):
        call.begin()
        for i in range(self.count):
            call.event("%06d%s" % (i, EVENT))
            self.sent = i + 1
        call.done()


def at_rest(flood):
    """The number of events sent, once it does not grow any more."""
    last, since = -1, time.monotonic()

    def still():
        nonlocal last, since
        if flood.sent != last:
            last, since = flood.sent, time.monotonic()
        return time.monotonic() - since > 0.4

    within(15, still, "the upstream is held back")
    return last


@promise("a client that does not read holds its provider back, and loses "
         "nothing when it reads on", alone=True)
def slow_client(w):
    count = 40000                       # 44 MB
    flood = Flood(count)
    up = w.upstream(flood)
    server = w.leme("settings { workers = 1 }", a=up)
    equal(server.client() is not None, True)
    before = server.rss()
    client = server.client()
    client.send(chat(stream=True))
    up.wait()
    sent = at_rest(flood)
    check(sent < count, "nothing holds the provider back")
    more = server.rss() - before
    check(more < 24 << 20, "memory grew by %d bytes" % more)
    answer = client.response()
    equal(len(answer.events), count + 2, "events")
    for i in (0, 1, count // 2, count - 1):
        check(('"%06dyy' % i) in answer.events[i], "event %d" % i,
              answer.events[i][:80])
    equal(answer.events[-1], "[DONE]", "last event")


@promise("a slow client does not slow the others", alone=True)
def others(w):
    def behave(call):
        if call.json["messages"][0]["content"] == "flood":
            Flood(20000)(call)
        else:
            call.reply(200, completion("quick"))

    up = w.upstream(behave)
    server = w.leme("settings { workers = 1 }", a=up)
    slow = [server.client() for _ in range(4)]
    for client in slow:
        client.send(chat(stream=True, messages=[
            {"role": "user", "content": "flood"}]))
    up.wait(4)
    for _ in range(20):
        began = time.monotonic()
        equal(server.chat().text, "quick", "text")
        check(time.monotonic() - began < 2, "it waits for the slow ones")


@promise("the idle deadline rests while we hold the provider back")
def idle_rests(w):
    flood = Flood(12000)
    up = w.upstream(flood)
    server = w.leme("settings { idle_timeout = 0.5 }", a=up)
    client = server.client()
    client.send(chat(stream=True))
    up.wait()
    at_rest(flood)
    beside = server.client()            # longer than the idle time passes
    beside.sock.settimeout(1.2)
    check(not beside.at_end(1.2), "")
    answer = client.response()
    equal(answer.stream_errors, [], "errors")
    equal(len(answer.events), 12002, "events")


@promise("an answer that nobody has relayed yet is held at 64 KiB")
def held(w):
    flood = Flood(20000)

    up = w.upstream(flood)
    server = w.leme('model "m" { policy = "p.lua", default_route = { "a/x" } }',
                    {"p.lua": '''
local leme = require "leme"
return leme.policy {
  name = "p",
  route = function(req)
    local answer = req:try "a/x"
    leme.sleep(1)
    return answer
  end,
}
'''}, a=up)
    before = server.rss()
    client = server.client()
    client.send(chat(stream=True))
    up.wait()
    check(at_rest(flood) < 20000, "nothing holds the provider back")
    check(server.rss() - before < 16 << 20, "memory", server.rss() - before)
    equal(len(client.response().events), 20002, "events")


@promise("a large whole answer arrives whole, byte for byte")
def large_whole(w):
    text = "".join("%07d" % i for i in range(1 << 20))      # 7 MB
    body = json.dumps(completion(text)).encode()
    up = w.upstream(lambda c: c.reply(200, body))
    answer = w.leme(a=up).chat()
    equal(len(answer.body), len(body), "length")
    check(answer.body == body, "bytes differ")


@promise("a whole answer above answer_max is a bad response")
def answer_max(w):
    body = json.dumps(completion("x" * 200000)).encode()
    up = w.upstream(lambda c: c.reply(200, body))
    answer = w.leme("settings { answer_max = 100000 }", a=up).chat()
    equal(answer.status, 502, "status")
    equal(answer.error, "provider_bad_response", "error")


@promise("a large request body arrives whole at the provider")
def large_request(w):
    up = w.upstream()
    server = w.leme(a=up)
    content = "".join("%07d" % i for i in range(1 << 20))
    answer = server.chat(messages=[{"role": "user", "content": content}])
    equal(answer.status, 200, "status")
    check(up.calls[0].json["messages"][0]["content"] == content,
          "the body differs")


@promise("above memory_max new bodies are refused with 503 and the engine "
         "goes on", daemon=True)
def memory_max(w):
    gate = threading.Event()

    def behave(call):
        gate.wait(10)
        call.reply(200, completion("done"))

    up = w.upstream(behave)
    server = w.leme("settings { memory_max = 2000000, body_max = 1500000 }",
                    a=up)
    body = json.dumps({"model": "m", "messages": [
        {"role": "user", "content": "x" * 900000}]}).encode()
    clients = [server.client() for _ in range(6)]
    for client in clients:
        client.sock.settimeout(10)
        try:
            client.send(request("/v1/chat/completions", body))
        except OSError:
            pass
    refused = within(10, lambda: [s for s in server.said('"code":503')] or None,
                     "a request is refused")
    check(refused, "none is refused")
    gate.set()
    statuses = sorted(c.response().status for c in clients)
    equal(set(statuses), {200, 503}, "statuses")
    equal(server.chat().status, 200, "status afterwards")


@promise("an answer that is held counts against memory_max until it is gone")
def memory_max_held(w):
    gate, nearly = threading.Event(), threading.Event()
    whole = json.dumps(completion("x" * 1600000)).encode()

    def behave(call):
        if "hold" not in call.json["messages"][0]["content"]:
            call.reply(200, completion("small"))
            return
        call.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
                  b"content-length: %d\r\n\r\n" % len(whole) + whole[:-10])
        nearly.set()
        gate.wait(10)
        call.send(whole[-10:])

    server = w.leme("settings { memory_max = 2000000, body_max = 1500000 }",
                    a=w.upstream(behave))
    holding = server.client()
    holding.send(request("/v1/chat/completions", json.dumps(
        {"model": "m", "messages": [{"role": "user", "content": "hold"}]}).encode()))
    check(nearly.wait(10), "the answer never came")
    within(10, lambda: server.chat().status == 503, "a refusal")
    gate.set()
    equal(holding.response().status, 200, "status of the one that was held")
    within(10, lambda: server.chat().status == 200, "room again")


@promise("a refusal by memory_max frees its place in flight", daemon=True)
def memory_max_places(w):
    server = w.leme("settings { memory_max = 1500000, body_max = 1200000, "
                    "max_in_flight = 2 }", a=w.upstream())
    body = json.dumps({"model": "m", "messages": [
        {"role": "user", "content": "x" * 1000000}]}).encode()
    first = server.client()
    first.send(request("/v1/chat/completions", body)[:2000])
    within(5, lambda: server.admin("GET", "/v1/status").json["memory_used"],
           "the first one's place")
    for _ in range(4):
        client = server.client()
        client.send(request("/v1/chat/completions", body)[:2000])
        answer = client.response()
        client.close()
        equal(answer.status, 503, "status of another large one")
        check("memory" in answer.json["error"]["message"], "why", answer.body)
    first.close()
    within(5, lambda: server.chat().status == 200, "places are free again")


@promise("an event of 500 KB passes, one above 1 MiB is an error and no hang")
def large_events(w):
    def behave(call):
        call.begin()
        call.event("first")
        call.event("z" * int(call.json["messages"][0]["content"]))
        call.done()

    up = w.upstream(behave)
    server = w.leme(a=up)

    def ask(size):
        return server.chat(stream=True, messages=[
            {"role": "user", "content": str(size)}])

    for size in (60000, 70000, 500000):
        answer = ask(size)
        equal(answer.stream_errors, [], "errors with %d" % size)
        equal(len(answer.text), size + 5, "text")
    answer = ask(1 << 21)
    equal([e["error_type"] for e in answer.stream_errors],
          ["provider_bad_response"], "errors")


@promise("a first event of 500 KB passes too")
def large_first(w):
    def behave(call):
        call.begin()
        call.event("z" * 500000)
        call.done()

    answer = w.leme(a=w.upstream(behave)).chat(stream=True)
    equal(len(answer.text), 500000, "text")


@promise("memory comes back after a flood", alone=True)
def comes_back(w):
    up = w.upstream(Flood(200))
    server = w.leme("settings { workers = 1 }", a=up)

    def wave():
        clients = [server.client() for _ in range(60)]
        for client in clients:
            client.send(chat(stream=True))
        for client in clients:
            equal(len(client.response().events), 202, "events")
            client.close()

    wave()
    after_one = server.rss()
    for _ in range(3):
        wave()
    # A build with a sanitizer keeps freed memory back for a while.
    slack = 40 << 20 if server.dev or "address" in server.binary \
        or "thread" in server.binary else 8 << 20
    check(server.rss() - after_one < slack, "memory grows",
          server.rss() - after_one)


if __name__ == "__main__":
    main()
