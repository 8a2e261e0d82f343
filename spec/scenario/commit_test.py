#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The first token is the commit point: before it another target is tried and
the client sees nothing; after it a failure is one error event."""

import threading

from lib import (chat, check, delta, ends_with_one_error, equal, fails, main,
                 promise, resets, says, sends, silent, streams)

STREAM_HEAD = (b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
               b"transfer-encoding: chunked\r\n\r\n")
ERROR_EVENT = {"error": {"message": "overloaded", "type": "server_error"}}


def whole_stream_error(call):
    call.begin()
    call.event(ERROR_EVENT)
    call.send(b"0\r\n\r\n")


def html(call):
    call.reply(200, b"<html>maintenance</html>",
               {"content-type": "text/html"})


def only_comments(call):
    call.begin()
    for _ in range(20):
        call.chunk(b": keep-alive\n\n")
    call.send(b"0\r\n\r\n")


def role_then_end(call):
    call.begin()
    call.event({"choices": [{"index": 0, "delta": {"role": "assistant"}}]})
    call.send(b"0\r\n\r\n")


# name, behaviour of the first target, error of the first attempt, stream?
BEFORE = [
    ("a 500", fails(500), "provider_server_error", None),
    ("a 429 with retry-after", fails(429, headers={"retry-after": "7"}),
     "provider_rate_limited", None),
    ("a 401", fails(401), "provider_auth", None),
    ("a 402", fails(402), "provider_billing", None),
    ("a 503", fails(503), "provider_overloaded", None),
    ("a 529", fails(529), "provider_overloaded", None),
    ("a reset", resets, None, None),
    ("a close without a byte", sends(b""), None, None),
    ("a 200 that holds an error event", whole_stream_error, None, True),
    ("a 200 with HTML", html, "provider_bad_response", None),
    ("a 200 with an empty body", lambda c: c.reply(200, b""),
     "provider_bad_response", None),
    ("a 200 with an error object", lambda c: c.reply(200, ERROR_EVENT),
     None, None),
    ("a stream of comments only", only_comments, None, True),
    ("a stream that ends after the role", role_then_end, None, True),
    ("a stream that is cut before its first event", sends(STREAM_HEAD), None,
     True),
]


def falls_back(name, behaviour, error, stream):
    @promise("%s (%s) is answered by the next target, and nothing of it is "
             "seen" % (name, "stream" if stream else "whole"))
    def play(w):
        bad, good = w.upstream(behaviour), w.upstream(says("all is well"))
        server = w.leme(a=bad, b=good)
        answer = server.chat(stream=stream)
        equal(answer.status, 200, "status")
        equal(answer.text, "all is well", "text")
        equal(answer.headers.get("x-leme-target"), "b/x", "target")
        equal(answer.headers.get("x-leme-attempts"), "2", "attempts")
        check(b"error" not in answer.body, "the failure is seen", answer.body)
        equal(len(bad.calls), 1, "calls of the first target")
        attempts = [e for e in server.record(answer.id)
                    if e["kind"] == "attempt"]
        equal([a["target"] for a in attempts], ["a/x", "b/x"], "attempts")
        check(attempts[0]["error"], "the first attempt has no error")
        if error:
            equal(attempts[0]["error"], error, "error of the first attempt")
        line = server.log_line(answer.id)
        equal(line["fallback"], attempts[0]["error"], "fallback in the log")
        equal(line["error_type"], "", "error type in the log")


for row in BEFORE:
    for way in ([row[3]] if row[3] is not None else [False, True]):
        falls_back(row[0], row[1], row[2], way)


@promise("silence until the first-token limit is answered by the next target")
def silence(w):
    bad, good = w.upstream(silent), w.upstream(says("here"))
    server = w.leme("settings { first_token_timeout = 0.3 }", a=bad, b=good)
    answer = server.chat(stream=True)
    equal(answer.text, "here", "text")
    bad.calls[0].finished.wait(5)
    check(bad.calls[0].left, "the silent attempt is kept")
    attempts = [e for e in server.record(answer.id) if e["kind"] == "attempt"]
    equal(attempts[0]["error"], "provider_timeout_first_token", "error")


@promise("the first-token limit holds against a stream of comments and roles")
def chatter(w):
    def behave(call):
        call.begin()
        call.event({"choices": [{"index": 0, "delta": {"role": "assistant"}}]})
        call.chunk(b": keep-alive\n\n")
        call.gone()
    bad, good = w.upstream(behave), w.upstream(says("here"))
    server = w.leme("settings { first_token_timeout = 0.3 }", a=bad, b=good)
    equal(server.chat(stream=True).text, "here", "text")


@promise("a first token that is a tool call, a refusal or reasoning commits")
def other_first_tokens(w):
    for first in ({"tool_calls": [{"index": 0, "id": "t", "function":
                                   {"name": "f", "arguments": ""}}]},
                  {"refusal": "no"}, {"reasoning_content": "hm"}):
        event = {"choices": [{"index": 0, "delta": first}]}
        bad = w.upstream(streams(event, then=lambda c: c.close()))
        good = w.upstream(says("not asked"))
        answer = w.leme(a=bad, b=good).chat(stream=True)
        equal(len(good.calls), 0, "calls of the second target")
        equal(len(answer.stream_errors), 1, "error events for %r" % first)


@promise("a provider that cannot be reached is passed over")
def unreachable(w):
    good = w.upstream(says("here"))
    server = w.leme('provider "dead" { base = "http://127.0.0.1:9", '
                    'key = "sk-0" }\nmodel "m" { "dead/x", "b/x" }', b=good)
    answer = server.chat()
    equal(answer.text, "here", "text")
    attempts = [e for e in server.record(answer.id) if e["kind"] == "attempt"]
    equal(attempts[0]["error"], "provider_connect", "error")


@promise("when all targets fail the last failure is one error body in SDK form")
def all_fail(w):
    a, b = w.upstream(fails(500)), w.upstream(fails(503))
    for stream in (False, True):
        answer = w.leme(a=a, b=b).chat(stream=stream)
        equal(answer.status, 503, "status")
        equal(answer.error, "provider_overloaded", "error")
        equal(answer.headers["x-should-retry"], "true", "x-should-retry")
        error = answer.json["error"]
        for field in ("message", "type", "code"):
            check(isinstance(error[field], str), "no " + field, error)
        check("param" in error, "no param", error)


@promise("a caller's own mistake is not tried elsewhere and shows the "
         "provider's words")
def callers_mistake(w):
    bad = w.upstream(fails(400, {"error": {
        "message": "temperature is out of range", "param": "temperature",
        "type": "invalid_request_error", "code": "bad_value"}}))
    good = w.upstream()
    answer = w.leme(a=bad, b=good).chat(temperature=99)
    equal(answer.status, 400, "status")
    check("temperature is out of range" in answer.json["error"]["message"],
          "not the provider's words", answer.body)
    equal(answer.json["error"]["param"], "temperature", "param")
    equal(answer.headers["x-should-retry"], "false", "x-should-retry")
    equal(len(good.calls), 0, "calls of the second target")


@promise("a 429 that ends a request carries the provider's retry-after")
def retry_after(w):
    bad = w.upstream(fails(429, headers={"retry-after": "7"}))
    answer = w.leme(a=bad).chat()
    equal(answer.status, 429, "status")
    equal(answer.headers.get("retry-after"), "7", "retry-after")
    equal(answer.headers.get("retry-after-ms"), "7000", "retry-after-ms")


@promise("max_attempts bounds how many targets are tried")
def max_attempts(w):
    ups = {n: w.upstream(fails(500)) for n in "abcd"}
    server = w.leme('model "m" { "a/x", "b/x", "c/x", "d/x", '
                    "max_attempts = 2 }", **ups)
    answer = server.chat()
    check(answer.status >= 500, "status", answer.status)
    equal(sum(len(u.calls) for u in ups.values()), 2, "calls")


# -- after the commit ----------------------------------------------------------

def last_error_event(call):
    call.event(ERROR_EVENT)
    call.send(b"0\r\n\r\n")


AFTER = [
    ("a cut", lambda c: c.close(), "provider_cut_stream"),
    ("a reset", lambda c: c.reset(), None),
    ("an end without finish reason", lambda c: c.send(b"0\r\n\r\n"),
     "provider_cut_stream"),
    ("an error event", last_error_event, None),
    ("an event that is not JSON", lambda c: (c.chunk(b"data: {nope\n\n"),
                                             c.close()),
     "provider_bad_response"),
    ("a chunk size that is none", lambda c: (c.send(b"zz\r\n"), c.close()),
     None),
    ("a stall", lambda c: c.gone(), "provider_timeout_idle"),
]


def ends_well(name, then, error):
    @promise("%s after the first token is one error event, and no other "
             "target is tried" % name)
    def play(w):
        bad = w.upstream(streams("one ", "two", then=then))
        good = w.upstream(says("never"))
        server = w.leme("settings { idle_timeout = 0.4 }", a=bad, b=good)
        answer = server.chat(stream=True)
        ends_with_one_error(answer, "one two", error)
        equal(len(good.calls), 0, "calls of the second target")
        line = server.log_line(answer.id)
        check(line["error_type"].startswith("provider_"), "log line", line)
        check(line["end"][1] == "D", "end in the log", line)


for row in AFTER:
    ends_well(*row)


@promise("a stream with a finish reason but no [DONE] is whole")
def no_done(w):
    up = w.upstream(streams("one", delta("", "stop"),
                            then=lambda c: c.send(b"0\r\n\r\n")))
    answer = w.leme(a=up).chat(stream=True)
    equal(answer.text, "one", "text")
    equal(answer.events[-1], "[DONE]", "last event")
    equal(answer.stream_errors, [], "errors")
    check(answer.complete, "cut")


@promise("a whole answer that is cut in its body is tried elsewhere")
def cut_body(w):
    bad = w.upstream(sends(b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n"
                           b"content-type: application/json\r\n\r\n"
                           b'{"choices":[{"message":{"content":"half'))
    good = w.upstream(says("whole"))
    equal(w.leme(a=bad, b=good).chat().text, "whole", "text")


@promise("events reach the client as they come, byte for byte")
def as_they_come(w):
    gate = threading.Event()
    odd = (b'data: {"choices":[{"index":0,"delta":{"content":"\xc3\xa9"}}],'
           b' "x" :1.50}\n\n')

    def behave(call):
        call.begin()
        call.chunk(odd)
        gate.wait(10)
        call.done()

    up = w.upstream(behave)
    client = w.leme(a=up).client()
    client.send(chat(stream=True))
    status, _ = client.head()
    equal(status, 200, "status")
    client.until(odd)
    gate.set()
    client.until(b"data: [DONE]\n\n")


@promise("keep-alive comments fill the silence after the commit")
def comments(w):
    gate = threading.Event()

    def behave(call):
        call.begin()
        call.event("one")
        gate.wait(10)
        call.done()

    up = w.upstream(behave)
    server = w.leme("settings { keepalive_comment = 0.1 }", a=up)
    client = server.client()
    client.send(chat(stream=True))
    while client.data.count(b": keep-alive\n\n") < 3:
        client.more()
    gate.set()
    client.until(b"0\r\n\r\n")


@promise("early_headers answers 200 and comments before the first token; a "
         "later failure is an error event")
def early(w):
    gate = threading.Event()

    def behave(call):
        gate.wait(10)
        call.reply(500, {"error": {"message": "no"}})

    up = w.upstream(behave)
    server = w.leme('model "m" { "a/x", early_headers = 0.1 }', a=up)
    client = server.client()
    client.send(chat(stream=True))
    client.until(b"keep-alive\n\n")
    check(client.data.startswith(b"HTTP/1.1 200"), "no early head")
    gate.set()
    ends_with_one_error(client.response(), "", "provider_server_error")


@promise("early_headers still falls back before the first token")
def early_fallback(w):
    gate = threading.Event()

    def behave(call):
        gate.wait(10)
        call.reply(500, {"error": {"message": "no"}})

    bad, good = w.upstream(behave), w.upstream(says("here it is"))
    server = w.leme('model "m" { "a/x", "b/x", early_headers = 0.1 }',
                    a=bad, b=good)
    client = server.client()
    client.send(chat(stream=True))
    client.until(b"keep-alive\n\n")
    gate.set()
    answer = client.response()
    equal(answer.text, "here it is", "text")
    equal(answer.stream_errors, [], "errors")


if __name__ == "__main__":
    main()
