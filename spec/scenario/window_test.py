#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Limits of targets: the longest answer they give, the longest prompt they take."""

import json

from lib import HOST, check, equal, fails, main, promise, request, says

TWO = 'model "m" { "a/x", "b/x" }\n'
USES = 'model "m" { policy = "p.lua", default_route = { "a/x" } }\n'


def policy(route):
    return {"p.lua": 'local leme = require "leme"\nreturn leme.policy { '
                     'name = "p", route = function(req) %s end }\n' % route}


def noted(server, answer, key):
    return [e["value"] for e in server.record(answer.id)
            if e["kind"] == "trace" and e["key"] == key]


@promise("a max_tokens above what the target gives is lowered in place, and the "
         "record says so")
def clamped(w):
    up = w.upstream()
    server = w.leme('target "a/x" { max_output = 100 }\n', a=up)
    for name in ("max_tokens", "max_completion_tokens"):
        answer = server.chat(**{name: 5000})
        equal(answer.text, "hi", "text")
        want = server_body(name, 100)
        equal(up.calls[-1].body, want, "what was sent")
        note = noted(server, answer, "limit")
        check(len(note) == 1 and "5000 to 100" in note[0], "note", note)
        edits = {e["path"]: e["by"] for e in server.record(answer.id)
                 if e["kind"] == "edit"}
        equal(edits, {name: "engine", "model": "engine"}, "edits")
    answer = server.chat(max_tokens=100)
    equal(up.calls[-1].body, server_body("max_tokens", 100), "within")
    equal(noted(server, answer, "limit"), [], "notes")
    server.chat()
    check(b"max_" not in up.calls[-1].body, "a limit nobody asked for",
          up.calls[-1].body)


def server_body(name, value):
    return ('{"model": "x", "messages": [{"role": "user", "content": "hi"}], '
            '"%s": %d}' % (name, value)).encode()


@promise("what a policy asks for is lowered too, for one attempt or for all")
def clamped_edits(w):
    up = w.upstream()
    for route in ('req.max_tokens = 900 return req:try "a/x"',
                  'return req:with({ max_tokens = 900 }):try "a/x"'):
        server = w.leme('target "a/x" { max_output = 100 }\n' + USES,
                        files=policy(route), a=up)
        server.chat(max_tokens=50)
        equal(up.calls[-1].json["max_tokens"], 100, "sent")


@promise("max_tokens = \"refuse\" answers 400 before anything is sent, and tries "
         "nobody else")
def refused(w):
    up, other = w.upstream(), w.upstream()
    server = w.leme('target "a/x" { max_output = 100, max_tokens = "refuse" }\n'
                    + TWO, a=up, b=other)
    answer = server.chat(max_tokens=101)
    equal((answer.status, answer.error), (400, "caller_invalid_request"), "answer")
    check("101 is above the 100 tokens that a/x gives" in
          answer.json["error"]["message"], "sentence", answer.body)
    equal(len(up.calls) + len(other.calls), 0, "calls")
    equal(server.chat(max_tokens=100).text, "hi", "at the limit")


@promise("max_tokens = \"skip\" passes over the target, with the reason in the "
         "record; when nobody is left the client hears why")
def skipped(w):
    up, other = w.upstream(), w.upstream(says("longer"))
    server = w.leme('target "a/x" { max_output = 100, max_tokens = "skip" }\n'
                    'model "alone" { "a/x" }\n' + TWO, a=up, b=other)
    answer = server.chat(max_tokens=101)
    equal(answer.text, "longer", "text")
    passed = [e for e in server.record(answer.id) if e["kind"] == "pass"]
    equal([(p["target"], p["reason"]) for p in passed],
          [("a/x", "limit: max_tokens 101 is above its 100")], "passes")
    equal(len(up.calls), 0, "calls")
    answer = server.chat(model="alone", max_tokens=101)
    equal((answer.status, answer.json["error"]["code"]),
          (400, "context_length_exceeded"), "alone")
    equal(len(up.calls), 0, "calls")


@promise("a limit that only the dialect knows is kept the same way")
def known_limit(w):
    up, other = w.upstream(), w.upstream(says("longer"))
    line = ('provider "q" { base = "http://%s:%d/v1", key = "sk-secret-123", '
            'dialect = "qwen" }\n' % (HOST, up.port) +
            'target "q/qwen-max" { max_tokens = "%s" }\n'
            'model "m" { "q/qwen-max", "b/x" }\n')
    server = w.leme(line % "clamp", b=other)
    equal(server.chat(max_tokens=9000).text, "hi", "clamped")
    equal(up.calls[-1].json["max_tokens"], 8192, "sent")
    server = w.leme(line % "skip", b=other)
    equal(server.chat(max_tokens=9000).text, "longer", "skipped")
    server = w.leme(line % "refuse", b=other)
    answer = server.chat(max_tokens=9000)
    equal((answer.status, answer.error), (400, "caller_invalid_request"),
          "refused")
    equal(len(up.calls), 1, "calls")


@promise("a prompt that does not fit a target's window goes to one that it does")
def window(w):
    up, other = w.upstream(says("small")), w.upstream(says("large"))
    server = w.leme('target "a/x" { context = 4000 }\n' + TWO, a=up, b=other)
    equal(server.chat().text, "small", "a short one")
    long = [{"role": "user", "content": "some words that go on " * 3000}]
    answer = server.chat(messages=long)
    equal(answer.text, "large", "a long one")
    reason = [e["reason"] for e in server.record(answer.id)
              if e["kind"] == "pass"][0]
    check(reason.startswith("limit: about 1") and
          reason.endswith("tokens do not fit its 4000"), "reason", reason)
    answer = server.chat(max_tokens=3900, messages=[
        {"role": "user", "content": "some words that go on " * 100}])
    equal(answer.text, "large", "a long answer")


@promise("when a prompt fits nobody, it is sent: only the provider knows")
def window_unsure(w):
    up = w.upstream(fails(400, {"error": {
        "message": "maximum context length is 4000 tokens",
        "code": "context_length_exceeded"}}))
    server = w.leme('target "a/x" { context = 4000 }\n'
                    'target "b/x" { context = 4000 }\n' + TWO, a=up, b=up)
    long = [{"role": "user", "content": "some words that go on " * 3000}]
    answer = server.chat(messages=long)
    equal((answer.status, answer.json["error"]["code"]),
          (400, "context_length_exceeded"), "answer")
    equal(len(up.calls), 2, "calls")


@promise("a messages client's number is lowered in its own format")
def clamped_native(w):
    up = w.upstream(lambda c: c.reply(200, {
        "type": "message", "content": [{"type": "text", "text": "hi"}],
        "stop_reason": "end_turn"}))
    server = w.leme('provider "p" { base = "http://%s:%d/v1", dialect = '
                    '"anthropic", key = "sk-secret-123" }\n'
                    'target "p/x" { max_output = 64 }\nmodel "m" { "p/x" }\n'
                    % (HOST, up.port))
    client = server.client()
    client.send(request("/v1/messages", json.dumps({
        "model": "m", "max_tokens": 4096,
        "messages": [{"role": "user", "content": "hi"}]}).encode()))
    equal(client.response().status, 200, "status")
    equal(up.calls[0].body, b'{"model": "x", "max_tokens": 64, "messages": '
          b'[{"role": "user", "content": "hi"}]}', "sent")


if __name__ == "__main__":
    main()
