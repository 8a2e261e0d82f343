#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What goes to the provider and what comes back: the client's bytes, but for
what somebody decided to change."""

import json
import re

from lib import (USAGE, check, completion, delta, equal, main, promise,
                 request, says, streams)

# Odd but valid: spacing, order, escapes, numbers that floats would break.
ODD = (b'{ "z":[ 1.0,1e2, -0.0, 12345678901234567890 ],"model" : "m",\n'
       b'\t"messages":[{"content":"caf\\u00e9 \xe2\x82\xac \\/ \\ud83d\\ude00",'
       b'"role":"user","x":{}}], "tools":[],"metadata":{"b":1,"a":{"c":[]}},'
       b'"seed":9007199254740993 ,"temperature":1.000000000000000005}')


def send(server, body, headers=None, path="/v1/chat/completions"):
    client = server.client()
    client.send(request(path, body, headers))
    answer = client.response()
    client.close()
    return answer


def policy(body, targets='"a/x"'):
    """Configuration and file of a policy whose route has ${body}."""
    return ('model "m" { policy = "p.lua", default_route = { %s } }' % targets,
            {"p.lua": 'local leme = require "leme"\nreturn leme.policy {\n'
             '  name = "p",\n  route = function(req)\n' + body +
             "\n  end,\n}\n"})


@promise("a body that nobody touches arrives identical to the byte, but for "
         "the model's name")
def untouched(w):
    up = w.upstream()
    server = w.leme(a=up)
    equal(send(server, ODD).status, 200, "status")
    equal(up.calls[0].body, ODD.replace(b'"m"', b'"x"'), "body")
    equal(up.calls[0].headers["content-type"], "application/json", "type")


@promise("reading everything in a policy changes nothing")
def reading(w):
    up = w.upstream()
    server = w.leme(*policy('''
    local n = #req.messages + (req.tools and #req.tools or 0)
    for i, message in ipairs(req.messages) do
      n = n + #(message.content or "") + (message.role == "user" and 1 or 0)
    end
    for name in pairs(req.metadata) do n = n + #name end
    leme.trace("n", n .. tostring(req.seed) .. tostring(req.question))
    return req:try "a/x"'''), a=up)
    equal(send(server, ODD).status, 200, "status")
    equal(up.calls[0].body, ODD.replace(b'"m"', b'"x"'), "body")


@promise("an edit deep inside messages changes those bytes only")
def deep(w):
    up = w.upstream()
    server = w.leme(*policy('''
    req.messages[2].content[1].text = "new \\"text\\""
    req.messages[2].content[2].image_url.detail = "low"
    req.tools[1]["function"].parameters.properties.q.type = "integer"
    return req:try "a/x"'''), a=up)
    body = (b'{"model":"m","messages":[{"role":"system","content":"s" },'
            b'{"role":"user","content":[{"type":"text","text":"old"},'
            b'{"type":"image_url","image_url":{"url":"data:x" , '
            b'"detail":"high"}}]}],"tools":[{"type":"function","function":'
            b'{"name":"f","parameters":{"type":"object","properties":'
            b'{"q":{"type":"string","minLength":1.0}}}}}],"seed":1.50}')
    equal(send(server, body).status, 200, "status")
    expected = (body.replace(b'"m"', b'"x"')
                .replace(b'"old"', b'"new \\"text\\""')
                .replace(b'"high"', b'"low"')
                .replace(b'"q":{"type":"string"', b'"q":{"type":"integer"'))
    equal(up.calls[0].body, expected, "body")


@promise("added, removed and replaced members land where they belong")
def members(w):
    up = w.upstream()
    server = w.leme(*policy('''
    req.max_tokens = 12345678901234567
    req.user = nil
    req.stop = leme.array {}
    req.metadata.a = { z = 1, b = leme.array { "c" } }
    leme.remove(req.messages, 1)
    leme.insert(req.messages, 2, { role = "user", content = "last" })
    return req:try "a/x"'''), a=up)
    send(server, json.dumps({
        "model": "m", "user": "u", "stop": ["x"], "metadata": {"a": 1, "k": 2},
        "messages": [{"role": "system", "content": "1"},
                     {"role": "user", "content": "2"}]}).encode())
    equal(up.calls[0].json, {
        "model": "x", "stop": [], "max_tokens": 12345678901234567,
        "metadata": {"a": {"b": ["c"], "z": 1}, "k": 2},
        "messages": [{"role": "user", "content": "2"},
                     {"role": "user", "content": "last"}]}, "body")
    check(b'"stop":[]' in up.calls[0].body.replace(b" ", b""),
          "an empty array is no array", up.calls[0].body)


@promise("prepend_system and append add messages and keep the others' bytes")
def prepend(w):
    up = w.upstream()
    server = w.leme(*policy('''
    req:prepend_system("house \\n rules")
    req:append("user", "p.s.")
    return req:try "a/x"'''), a=up)
    send(server, ODD)
    body = up.calls[0].body
    sent = json.loads(body)["messages"]
    equal([m["role"] for m in sent], ["system", "user", "user"], "roles")
    equal(sent[0]["content"], "house \n rules", "system")
    equal(sent[2]["content"], "p.s.", "appended")
    span = ODD[ODD.index(b'{"content"'):ODD.index(b'],')]
    check(span in body, "the message between changed", body)
    equal(body[body.index(b'"tools"'):], ODD[ODD.index(b'"tools"'):],
          "bytes behind the messages")


@promise("req:with edits one attempt only")
def with_one(w):
    a = w.upstream(lambda c: c.reply(500, {"error": {"message": "no"}}))
    b = w.upstream()
    server = w.leme(*policy('''
    req.user = "both"
    local first = req:with({ temperature = 0, max_tokens = 5 }):try "a/x"
    if first.ok then return first end
    return req:try "b/x"''', '"a/x", "b/x"'), a=a, b=b)
    server.chat(temperature=1.5)
    equal(a.calls[0].json["temperature"], 0, "temperature of the first")
    equal(a.calls[0].json["max_tokens"], 5, "max_tokens of the first")
    equal(b.calls[0].json["temperature"], 1.5, "temperature of the second")
    check("max_tokens" not in b.calls[0].json, "the edit stays",
          b.calls[0].body)
    for up in (a, b):
        equal(up.calls[0].json["user"], "both", "an edit of the request")


@promise("each target gets its own model name and its own key")
def names(w):
    a = w.upstream(lambda c: c.reply(500, {"error": {"message": "no"}}))
    b = w.upstream()
    server = w.leme('model "m" { "a/meta/llama-3", "b/gpt \\"4\\"" }', a=a, b=b)
    server.chat()
    equal(a.calls[0].json["model"], "meta/llama-3", "model of the first")
    equal(b.calls[0].json["model"], 'gpt "4"', "model of the second")
    for name, up in (("a", a), ("b", b)):
        equal(up.calls[0].headers["authorization"],
              "Bearer sk-upstream-%s-secret" % name, "key of " + name)


# -- usage ---------------------------------------------------------------------

@promise("a stream whose client did not ask for usage is asked upstream and "
         "withheld below")
def usage_withheld(w):
    up = w.upstream(says("hello"))
    server = w.leme(a=up)
    answer = server.chat(stream=True)
    equal(up.calls[0].json["stream_options"], {"include_usage": True},
          "stream_options upstream")
    check(not any('"usage"' in e for e in answer.events), "usage is relayed",
          answer.events)
    equal(answer.events[-1], "[DONE]", "last event")
    tokens = server.log_line(answer.id)["tok"]
    equal((tokens["in"], tokens["out"]), (USAGE["prompt_tokens"],
                                          USAGE["completion_tokens"]), "tokens")


@promise("a stream whose client asked for usage gets it, and the body is "
         "untouched")
def usage_asked(w):
    up = w.upstream(says("hello"))
    server = w.leme(a=up)
    body = ODD[:-1] + b',"stream":true,"stream_options":{ "include_usage":true}}'
    answer = send(server, body)
    equal(up.calls[0].body, body.replace(b'"m"', b'"x"'), "body")
    equal([json.loads(e)["usage"] for e in answer.events
           if '"usage"' in e], [USAGE], "usage")


@promise("usage that rides on a chunk with choices is not withheld")
def usage_on_choices(w):
    last = {**delta("", "stop"), "usage": USAGE}
    up = w.upstream(streams("hello", last,
                            then=lambda c: c.done(finish=None, usage=False)))
    answer = w.leme(a=up).chat(stream=True)
    check('"finish_reason": "stop"' in answer.body.decode(), "the end is lost")
    equal(answer.text, "hello", "text")


@promise("a provider with usage = \"none\" is not asked")
def usage_none(w):
    up = w.upstream(says("hello"))
    server = w.leme('provider "q" { base = "http://127.0.0.1:%d/v1", '
                    'key = "sk-quiet-key", usage = "none" }\n'
                    'model "m" { "q/x" }' % up.port)
    server.chat(stream=True)
    check("stream_options" not in up.calls[0].json, "it is asked",
          up.calls[0].body)


@promise("the usage of a whole answer is in the log, and its cost when prices "
         "are known")
def usage_whole(w):
    up = w.upstream()
    server = w.leme('target "a/x" { price = { input = 1, output = 10 } }', a=up)
    line = server.log_line(server.chat().id)
    equal(line["tok"]["in"], 7, "tokens in")
    equal(line["tok"]["out"], 3, "tokens out")
    check(abs(line["usd"] - 37e-6) < 1e-9, "cost", line)


# -- headers -------------------------------------------------------------------

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@promise("a well-formed traceparent goes on, another does not")
def traceparent(w):
    up = w.upstream()
    server = w.leme(a=up)
    answer = server.chat(headers={"traceparent": TRACE})
    sent = up.calls[0].headers.get("traceparent", "")
    equal(sent[:35], TRACE[:35], "trace id upstream")
    equal(server.log_line(answer.id)["trace"], TRACE[3:35], "trace in the log")
    for bad in ("nonsense", TRACE.upper(), TRACE + "x", TRACE.replace("-", "_")):
        server.chat(headers={"traceparent": bad})
        check("traceparent" not in up.calls[-1].headers, "forwarded:", bad)


@promise("the client's own headers stay with us; a provider's configured ones "
         "are sent")
def request_headers(w):
    up = w.upstream()
    server = w.leme('provider "h" { base = "http://127.0.0.1:%d/v1", '
                    'key = "sk-headers-key", headers = { ["X-Team"] = "search" },'
                    ' query = "api-version=1" }\nmodel "m" { "h/x" }' % up.port)
    server.chat(headers={
        "cookie": "a=b", "x-forwarded-for": "1.2.3.4", "openai-organization":
        "o", "x-custom": "c", "user-agent": "mine/1", "accept-encoding": "gzip"})
    call = up.calls[0]
    for name in ("cookie", "x-forwarded-for", "x-custom"):
        check(name not in call.headers, "forwarded:", name)
    equal(call.headers.get("accept-encoding", "identity"), "identity",
          "accept-encoding")
    equal(call.headers["x-team"], "search", "configured header")
    equal(call.line, "POST /v1/chat/completions?api-version=1 HTTP/1.1", "line")
    equal(call.headers["host"], "127.0.0.1:%d" % up.port, "host")
    check("expect" not in call.headers, "it waits for 100-continue")


@promise("an answer says what was decided in x-leme-* headers")
def answer_headers(w):
    up = w.upstream(says("hi", {"x-request-id": "theirs-1", "set-cookie": "a=b",
                                "x-secret-header": "no",
                                "server": "provider/1"}))
    server = w.leme(a=up)
    for stream in (False, True):
        headers = server.chat(stream=stream).headers
        equal(headers["x-leme-target"], "a/x", "target")
        check(re.fullmatch(r"plain@[0-9a-f]{6}", headers["x-leme-policy"]),
              "policy", headers["x-leme-policy"])
        check("x-leme-attempts" not in headers, "attempts of one")
        check(re.match(r"policy;dur=[\d.]+, queue;dur=[\d.]+, first;dur=[\d.]+$",
                       headers["server-timing"]), "server-timing", headers)
        for name in ("set-cookie", "x-secret-header", "server"):
            check(name not in headers, "relayed:", name)
        if not stream:
            equal(headers["x-upstream-request-id"], "theirs-1",
                  "the provider's id")


@promise("an event stream says that it must not be cached or buffered")
def stream_headers(w):
    headers = w.leme(a=w.upstream()).chat(stream=True).headers
    check(headers["content-type"].startswith("text/event-stream"), "type")
    equal(headers["cache-control"], "no-cache", "cache-control")
    equal(headers["x-accel-buffering"], "no", "x-accel-buffering")


@promise("a whole answer arrives identical to the byte")
def whole_bytes(w):
    body = (b'{ "choices":[{"index":0,"message":{"role":"assistant","content":'
            b'"\\u00e9 \xc3\xa9"} ,"finish_reason":"stop"}],"x":1.50,"id":"1"}\n')
    up = w.upstream(lambda c: c.reply(200, body))
    equal(w.leme(a=up).chat().body, body, "body")


@promise("a filter sees every event and may drop or replace it")
def filtered(w):
    up = w.upstream(streams("keep ", "drop ", "swap ", "keep",
                            then=lambda c: c.done()))
    server = w.leme(
        'model "m" { policy = "p.lua", default_route = { "a/x" } }',
        {"p.lua": '''
local leme = require "leme"
return leme.policy {
  name = "p",
  route = leme.filter("a/x", function(text)
    if text == "drop " then return false end
    if text == "swap " then return "swapped " end
  end),
}
'''}, a=up)
    answer = server.chat(stream=True)
    equal(answer.text, "keep swapped keep", "text")
    equal(answer.events[-1], "[DONE]", "last event")
    equal(answer.stream_errors, [], "errors")


@promise("a route may read the answer before it relays it")
def reads_answer(w):
    a = w.upstream(says("I cannot help with that"))
    b = w.upstream(says("Certainly"))
    server = w.leme(*policy('''
    local answer = req:try("a/x", { hold = "all" })
    leme.trace("text", answer.text)
    if answer.ok and answer.text:find("cannot") then return req:try "b/x" end
    return answer''', '"a/x", "b/x"'), a=a, b=b)
    for stream in (False, True):
        answer = server.chat(stream=stream)
        equal(answer.text, "Certainly", "text")
        traced = [e["value"] for e in server.record(answer.id)
                  if e["kind"] == "trace"]
        check("I cannot help with that" in "".join(traced), "trace", traced)


@promise("a relayed stream that breaks may go on with another target")
def resume(w):
    a = w.upstream(streams("one ", "two ", then=lambda c: c.close()))
    b = w.upstream(says("three four"))
    server = w.leme(
        'model "m" { policy = "p.lua", default_route = { "a/x", "b/x" }, '
        "resume = true }",
        {"p.lua": '''
local leme = require "leme"
return leme.policy {
  name = "p",
  route = function(req)
    local answer = req:relay(req:try "a/x", { resume = true })
    if answer.error == "" then return answer end
    return req:relay(req:with {
      messages = leme.array { { role = "user", content = answer.text or "-" } },
    }:try "b/x", { resume = true })
  end,
}
'''}, a=a, b=b)
    answer = server.chat(stream=True)
    equal(answer.text, "one two three four", "text")
    equal(answer.stream_errors, [], "errors")
    equal(answer.events.count("[DONE]"), 1, "ends")


def used(call):
    call.reply(200, completion("hi"))


@promise("a second answer without the model's resume = true is a fault, and the "
         "stream ends with one error")
def no_resume(w):
    a = w.upstream(streams("one ", then=lambda c: c.close()))
    b = w.upstream(says("two"))
    server = w.leme(*policy('''
    local answer = req:relay(req:try "a/x")
    if answer.error == "" then return answer end
    return req:relay(req:try "b/x", { resume = true })''', '"a/x", "b/x"'), a=a, b=b)
    answer = server.chat(stream=True)
    equal(answer.text, "one ", "text")
    equal(len(answer.stream_errors), 1, "errors")
    equal(len(b.calls), 0, "calls of the second")


@promise("a policy sees a client's headers, but none that may hold a credential")
def hidden_headers(w):
    server = w.leme(*policy('''
    local seen = {}
    for _, name in ipairs { "x-team", "authorization", "x-api-key", "x-auth",
                            "x-access-token", "cookie", "x-client-secret" } do
      seen[#seen + 1] = req.headers[name] or "-"
    end
    return leme.respond(table.concat(seen, " "))''', '"a/x"'), a=w.upstream())
    answer = server.chat(headers={
        "x-team": "red", "authorization": "Bearer s1", "x-api-key": "s2",
        "x-auth": "s3", "x-access-token": "s4", "cookie": "s5",
        "x-client-secret": "s6"})
    equal(answer.text, "red - - - - - -", "seen")


@promise("what a client of /v1/messages says to Anthropic alone does not reach "
         "a provider of OpenAI's format")
def carriers(w):
    up = w.upstream(says("hi"))
    server = w.leme(a=up)
    client = server.client()
    mark = {"cache_control": {"type": "ephemeral"}}
    client.send(request("/v1/messages", json.dumps({
        "model": "m", "max_tokens": 50, "top_k": 5,
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "system": [{"type": "text", "text": "be", **mark}],
        "tools": [{"name": "t", "input_schema": {"type": "object"}, **mark}],
        "messages": [{"role": "user", "content": [
            {"type": "text", "text": "hi", **mark}]}]}).encode()))
    equal(client.response().status, 200, "status")
    sent = up.calls[0].body.decode()
    for word in ("cache_control", "thinking", "top_k", "budget"):
        check(word not in sent, word, "in", sent)
    for word in ('"be"', '"hi"', '"t"'):
        check(word in sent, word, "not in", sent)


@promise("a body with a byte-order mark, blanks around it or escapes in names "
         "is read like any other")
def odd_frames(w):
    up = w.upstream(used)
    server = w.leme(a=up)
    equal(send(server, b" \r\n\t" + ODD + b"\n ").status, 200, "status")
    escaped = ODD.replace(b'"model"', b'"m\\u006fdel"')
    equal(send(server, escaped).status, 200, "status with an escaped name")
    equal(up.calls[-1].json["model"], "x", "model")


@promise("escapes in the model's name mean what they say in every format, as "
         "PHP's clients send each slash")
def escaped_model(w):
    server = w.leme('model "vendor/big" { "a/x" }', a=w.upstream(used))
    for path, more in (("/v1/chat/completions", '"messages":[{"role":"user","content":"hi"}]'),
                       ("/v1/completions", '"prompt":"hi"'),
                       ("/v1/messages", '"max_tokens":5,"messages":[{"role":"user","content":"hi"}]'),
                       ("/v1/responses", '"input":"hi"')):
        client = server.client()
        client.send(request(path, b'{"model":"vendor\\/big",' + more.encode() + b"}"))
        equal(client.response().status, 200, "status of " + path)


if __name__ == "__main__":
    main()
